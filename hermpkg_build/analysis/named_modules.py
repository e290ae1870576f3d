"""The modules of a workspace by their names, each made into a source when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property

from hermpkg_build.analysis.module_finder import ModuleSource, namespaces_above
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parent_of, parents_of
from hermpkg_build.core.module_roles import ModuleKind, Origin


class NamedModules(Mapping[str, ModuleSource]):
    """The sources of modules, and the namespace packages that they lie in, for a `ModuleFinder`.

    `labels` are the labels of files of the workspace at `root`, by the names of the modules that they are.
    """

    def __init__(self, labels: Mapping[str, str], root: str) -> None:
        self._labels = labels
        self._root = root
        self._made: dict[str, ModuleSource] = {}

    def __getitem__(self, name: str) -> ModuleSource:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._labels or name in self.namespaces

    def __iter__(self) -> Iterator[str]:
        return iter([*self._labels, *self.namespaces])

    def __len__(self) -> int:
        return len(self._labels) + len(self.namespaces)

    @cached_property
    def namespaces(self) -> Mapping[str, str]:
        """The packages without a file, each with a module that lies in it."""
        found: dict[str, str] = {}
        nearest: dict[str, str] = {}
        for name in self._labels:
            nearest.setdefault(parent_of(name), name)
        for parent, child in nearest.items():
            for above in (parent, *parents_of(parent)):
                if above and above not in self._labels:
                    found.setdefault(above, child)
        return found

    def _make(self, name: str) -> ModuleSource:
        label = self._labels.get(name)
        if label is None:
            child = self[self.namespaces[name]]
            return namespaces_above([child], self._root)[name]
        named = Label.parse(label)
        file = named.path.rpartition("/")[2]
        return ModuleSource(
            name=name,
            kind=ModuleKind.PACKAGE if file == "__init__.py" else ModuleKind.SOURCE,
            origin=Origin.WORKSPACE,
            path=os.path.join(self._root, *named.path.split("/")),
            shown=named.path,
            label=named,
        )
