"""The modules of a workspace, and views of them as targets see them that depend on some of their owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from hermpkg_build.analysis.module_finder import ModuleSource, declared_module, namespaces_above
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parent_of
from hermpkg_build.core.module_roles import ModuleKind
from hermpkg_build.core.target import DeclaredModule, DeclaredModules

_NOBODY = frozenset[int]()


class WorkspaceModules(Mapping[str, ModuleSource]):
    """All modules of some `python_modules` targets by name, and the namespace packages above them.

    Owners are known by their number. They `are_plain` where each name has one owner, and a folder is one
    folder: only then it makes no difference to a namespace package which of its modules are seen.
    """

    def __init__(self, owners: Mapping[Label, DeclaredModules], root: str) -> None:
        self.are_plain: bool = True
        self._root = root
        self._declared = [*owners.values()]
        self._numbers = {label: number for number, label in enumerate(owners)}
        self._owners: dict[str, int] = {}
        self._below: dict[str, set[int]] = {}
        """The owners of modules below a name."""
        self._places: dict[int, dict[str, int]] = {}
        """The numbers of modules by name, of owners that were asked for one."""
        self._sources: dict[str, ModuleSource] = {}
        """The modules that somebody has asked for, and all namespace packages."""
        above: dict[str, str] = {}
        for number, modules in enumerate(self._declared):
            names = modules.names
            self.are_plain &= len({*names}) == len(names) and self._owners.keys().isdisjoint(names)
            self._owners.update(dict.fromkeys(names, number))
            for parent, folder in modules.parents:
                self._note_parents(parent, number, folder, above)
        self._namespaces = self._find_namespaces()
        self._sources.update(self._namespaces)

    def renewed(self) -> WorkspaceModules:
        """Return the same modules, of which none was asked for yet."""
        other = copy(self)
        other._places = {}
        # Other threads may be asking for modules, so that nobody may walk over those that are known.
        other._sources = dict(self._namespaces)
        return other

    def _note_parents(self, parent: str, number: int, folder: str, above: dict[str, str]) -> None:
        """Note that an owner has a module in `parent`; all of that lies in `folder`."""
        while parent:
            below = self._below.setdefault(parent, set())
            self.are_plain &= above.setdefault(parent, folder) == folder
            if number in below:
                return
            below.add(number)
            parent = parent_of(parent)

    def _find_namespaces(self) -> Mapping[str, ModuleSource]:
        """Return the namespace packages above all modules."""
        lone: list[str] = []
        for modules in self._declared:
            parents = {parent for parent, _ in modules.parents if parent and parent not in self._owners}
            lone += [name for name in modules.names if parent_of(name) in parents] if parents else ()
        sources = [declared_module(self._module(name), self._root) for name in sorted({*lone})]
        found = namespaces_above(sources, self._root)
        return {name: source for name, source in found.items() if name not in self._owners}

    def _module(self, name: str) -> DeclaredModule:
        number = self._owners[name]
        places = self._places.get(number)
        if places is None:
            names = self._declared[number].names
            places = self._places[number] = dict(zip(names, range(len(names)), strict=True))
        return self._declared[number][places[name]]

    def __getitem__(self, name: str) -> ModuleSource:
        source = self._sources.get(name)
        if source is None:
            # Of two threads that are here at once, both get what the first has made.
            source = self._sources.setdefault(name, declared_module(self._module(name), self._root))
        return source

    def get(self, name: str, default: Any = None) -> Any:
        """Return the module `name`, or `default`: without an exception, as most names are none of these."""
        return self[name] if name in self._owners or name in self._sources else default

    def __contains__(self, name: object) -> bool:
        return name in self._owners or name in self._sources

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in tuple(self._sources) if name not in self._owners)
        yield from self._owners

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def owners_of(self, names: Iterable[str]) -> tuple[frozenset[int], list[str]]:
        """Return the owners that alone decide whether there are those of `names` that are modules.

        Beside them stand the modules in which others have a say.
        """
        owners: set[int] = set()
        others: list[str] = []
        for name in names:
            owner = self._owners.get(name)
            if owner is None:
                if name in self._sources:
                    others.append(name)
            elif self.are_plain and (name not in self._below or self._below[name] <= {owner}):
                owners.add(owner)
            else:
                others.append(name)
        return frozenset(owners), others

    def unlisted(self, labels: Sequence[Label]) -> list[Label]:
        """List those of `labels` that are none of the owners."""
        return [label for label in labels if label not in self._numbers]

    def seen_by(self, labels: Sequence[Label]) -> Mapping[str, ModuleSource]:
        """Return the modules of `labels`, which are some of the owners, as if there were no others."""
        if self.are_plain:
            return SeenModules(self, frozenset(self._numbers[label] for label in labels))
        seen = [self._declared[self._numbers[label]] for label in labels]
        declared = {module.module: module for modules in seen for module in modules}
        sources: dict[str, ModuleSource] = {}
        for name, module in sorted(declared.items()):
            source, known = declared_module(module, self._root), self[name]
            sources[name] = known if known == source else source
        found = {**namespaces_above(sources.values(), self._root), **sources}
        return {name: self._same(source) for name, source in found.items()}

    def _same(self, source: ModuleSource) -> ModuleSource:
        known = self[source.name]
        return known if known == source else source

    def seen(self, name: str, owners: frozenset[int]) -> ModuleSource | None:
        """Return the module `name` as who sees the modules of some `owners` only; they must be plain."""
        owner = self._owners.get(name)
        if owner is not None and owner in owners:
            return self[name]
        if self._below.get(name, _NOBODY).isdisjoint(owners):
            return None
        known = self[name]
        if known.kind is ModuleKind.NAMESPACE:
            return known
        # The package's own file is not seen, so that its folder is a namespace package.
        folder = known.shown.removesuffix("/__init__.py" if known.kind is ModuleKind.PACKAGE else ".py")
        child = ModuleSource(
            name=f"{name}.module", kind=ModuleKind.SOURCE, origin=known.origin, shown=f"{folder}/module.py"
        )
        return namespaces_above([child], self._root)[name]


class SeenModules(Mapping[str, ModuleSource]):
    """The modules of a workspace as a target sees them that depends on `owners`."""

    def __init__(self, modules: WorkspaceModules, owners: frozenset[int]) -> None:
        self._modules = modules
        self.owners = owners

    def __getitem__(self, name: str) -> ModuleSource:
        found = self._modules.seen(name, self.owners)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._modules if self._modules.seen(name, self.owners) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
