"""The names that the import statements of a source bind, and the modules and functions they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, TypeVar

from hermpkg_build.core.import_facts import ImportForm
from hermpkg_build.core.module_names import top_of
from hermpkg_build.source.import_statements import ImportStatement

_T = TypeVar("_T")

_IMPORTERS: Final = {
    "__import__": ImportForm.DUNDER_IMPORT,
    "builtins.__import__": ImportForm.DUNDER_IMPORT,
    "importlib.__import__": ImportForm.DUNDER_IMPORT,
    "importlib.import_module": ImportForm.IMPORT_MODULE,
}
_SOURCE_READERS: Final = {
    "pkgutil.get_data": "pkgutil.get_data",
    "inspect.getsource": "inspect.getsource",
    "inspect.getsourcelines": "inspect.getsource",
}
_RESOURCES: Final = "importlib.resources"
_RESOURCE_READERS: Final = (f"{_RESOURCES}.", "importlib_resources.", "pkg_resources.")
_MODULES: Final = frozenset(
    {"builtins", "importlib", "importlib_resources", "inspect", "pkg_resources", "pkgutil"}
)
_TYPE_CHECKING: Final = "TYPE_CHECKING"
TELLING_NAMES: Final = frozenset(
    name.strip(".").rpartition(".")[2] for name in (*_IMPORTERS, *_SOURCE_READERS, *_RESOURCE_READERS)
)
"""A source that has none of these names binds no function that matters, and calls none."""


class Bindings:
    """The names, dotted as they are written, under which a source knows the functions that matter.

    An import binds its name everywhere in the source, whatever its scope. `importers` are the functions
    that import (also by their usual names, imported or not), `source_readers` those that read a module's
    files, `type_checking` the names of the flag that only type checkers set; `uses` are those of
    `core.import_facts.SourceUse` that the statements themselves are, with their offsets.
    """

    def __init__(self, statements: Sequence[ImportStatement]) -> None:
        self._statements = statements
        self.importers: dict[str, ImportForm] = dict(_IMPORTERS)
        self.source_readers: dict[str, str] = {}
        self.type_checking: set[str] = {_TYPE_CHECKING}
        self.uses: list[tuple[int, str]] = []
        for statement in statements:
            module, level = statement.module, statement.level
            if level == -1:
                for name, bound in statement.names:
                    self._bind_module(statement.start, name, bound)
                continue
            if level == 0 and top_of(module) in _MODULES:
                for name, bound in statement.names:
                    self._bind_member(statement.start, f"{module}.{name}", bound or name)
            self.type_checking.update([b for name, b in statement.names if name == _TYPE_CHECKING and b])

    def module(self, name: str) -> str:
        """The absolute name of what the dotted `name` stands for, where an import binds its first segment.

        It begins with a dot for what a relative import binds; "" is for all else. Where several imports
        bind the segment, the last does.
        """
        first, dot, rest = name.partition(".")
        module = self._modules.get(first, "")
        return f"{module}{dot}{rest}" if module else ""

    @cached_property
    def _modules(self) -> dict[str, str]:
        modules = {}
        for statement in self._statements:
            if statement.level == -1:
                for name, bound in statement.names:
                    top = top_of(name)
                    modules[bound or top] = name if bound else top
            else:
                start = "." * statement.level + (f"{statement.module}." if statement.module else "")
                modules.update({bound or name: start + name for name, bound in statement.names})
        return modules

    def _bind_module(self, start: int, name: str, bound: str) -> None:
        if name in _MODULES:
            self.importers.update(_as_bound(_IMPORTERS, name, bound))
            self.source_readers.update(_as_bound(_SOURCE_READERS, name, bound))
        if f"{name}.".startswith(_RESOURCE_READERS):
            self.uses.append((start, _RESOURCES))

    def _bind_member(self, start: int, full: str, bound: str) -> None:
        if full in _IMPORTERS:
            self.importers[bound] = _IMPORTERS[full]
        elif full in _SOURCE_READERS:
            self.uses.append((start, _SOURCE_READERS[full]))
        elif f"{full}.".startswith(_RESOURCE_READERS):
            self.uses.append((start, _RESOURCES))


def _as_bound(functions: Mapping[str, _T], module: str, bound: str) -> dict[str, _T]:
    """Those of `functions` that lie in a module, by the names that they have where it is bound to a name."""
    inside = [name for name in functions if name.startswith(f"{module}.")]
    return {(bound or module) + name[len(module) :]: functions[name] for name in inside}
