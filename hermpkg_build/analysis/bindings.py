"""What the names of a source stand for, as far as its import statements say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hermpkg_build.analysis.statements import ImportStatement
from hermpkg_build.core.facts import ImportForm

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
_MODULES: Final = frozenset({"builtins", "importlib", "inspect", "pkgutil"})


class Bindings:
    """The names, dotted as they are written, under which a source knows the functions that matter.

    An import binds its name everywhere in the source, whatever its scope: `importers` are the functions
    that import (also by their usual names, imported or not), `source_readers` those that read
    a module's files, `type_checking` the names of the flag that only type checkers set.
    """

    def __init__(self, statements: Sequence[ImportStatement]) -> None:
        self.importers = dict(_IMPORTERS)
        self.source_readers: dict[str, str] = {}
        flags = {"TYPE_CHECKING"}
        for statement in statements:
            for name, bound in statement.names:
                if statement.level == -1:
                    if name in _MODULES:
                        self._bind_members(name, bound or name)
                else:
                    if statement.level == 0 and f"{statement.module}.{name}" in _IMPORTERS:
                        self.importers[bound or name] = _IMPORTERS[f"{statement.module}.{name}"]
                    if bound and name == "TYPE_CHECKING":
                        flags.add(bound)
        self.type_checking = frozenset(flags)

    def _bind_members(self, module: str, bound: str) -> None:
        for function, form in _IMPORTERS.items():
            if function.startswith(f"{module}."):
                self.importers[bound + function[len(module) :]] = form
        for function, use in _SOURCE_READERS.items():
            if function.startswith(f"{module}."):
                self.source_readers[bound + function[len(module) :]] = use


def uses_of(statement: ImportStatement) -> set[str]:
    """The names of `core.facts.SourceUse` that a statement imports."""
    if statement.level > 0:
        return set()
    origin = "" if statement.level == -1 else f"{statement.module}."
    uses = set()
    for name, _ in statement.names:
        full = origin + name
        if full == _RESOURCES or full.startswith(f"{_RESOURCES}."):
            uses.add(_RESOURCES)
        elif origin and full in _SOURCE_READERS:
            uses.add(_SOURCE_READERS[full])
    return uses
