"""Hides modules from a process as if they were not installed, so that only an artifact can give them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.module_names import top_of
from hermpkg_build.disk.standard_library import standard_library

_IMPORT = "_find_and_load_unlocked"
"""The function of importlib that asks the finders for an import, and not to see what there is."""


class HiddenModules:
    """A meta-path finder that refuses the modules for which `hides` is true.

    An import fails with `told`, in which ``{name}`` stands for the module. Whoever asks whether there is such
    a module, as importlib.util.find_spec does, is told that there is none. `distributions` are hidden, too,
    by their names.

    Hidden modules with names of the standard library's give way to these: every machine has them, and Python
    itself, tools and libraries import them.
    """

    def __init__(self, hides: Callable[[str], bool], told: str, distributions: Sequence[str] = ()) -> None:
        self.hides = hides
        self.distributions: set[str] = {normalised(name) for name in distributions}
        self._told = told

    def install(self) -> None:
        """Put it in front of all finders, have these pass over the modules, and forget those loaded."""
        sys.meta_path[:] = [self, *(_Passing(finder, self) for finder in sys.meta_path)]
        for name in [name for name in sys.modules if self.hides(name) and not is_standard(name)]:
            del sys.modules[name]

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for the import of a hidden module; leave all else to the next finder."""
        if not self.hides(name):
            return None
        if is_standard(name) and (spec := standard_spec(name, path)):
            return spec
        if sys._getframe(2).f_code.co_name == _IMPORT:
            raise ModuleNotFoundError(self._told.format(name=name), name=name)
        return None


def is_standard(name: str) -> bool:
    """Whether `name` is a module of the standard library, or lies in one."""
    return top_of(name) in sys.stdlib_module_names


def standard_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Find a module of the standard library, whatever comes before that on the path."""
    if path is None:
        for finder in (BuiltinImporter, FrozenImporter):
            if spec := finder.find_spec(name):
                return spec
        path = standard_library()
    return PathFinder.find_spec(name, [*path])


class _Passing:
    """A finder that passes over hidden modules, and is the one that it stands for in all else."""

    def __init__(self, finder: Any, hidden: HiddenModules) -> None:
        self._finder = finder
        self._hidden = hidden

    def find_spec(self, name: str, *rest: Any) -> ModuleSpec | None:
        if self._hidden.hides(name):
            return None
        spec: ModuleSpec | None = self._finder.find_spec(name, *rest)
        return spec

    def find_distributions(self, *context: Any) -> Iterator[Any]:
        hidden = self._hidden.distributions
        for found in getattr(self._finder, "find_distributions", lambda *_: ())(*context):
            if not hidden or normalised(found.metadata["Name"] or "") not in hidden:
                yield found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)
