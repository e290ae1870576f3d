"""A place that modules are packed from, and a module as such a place has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from hermpkg_build.analysis.modules import ModuleSource


@dataclass(frozen=True, slots=True)
class FoundModule:
    """A module, and its source where that is not the file at `source.path`."""

    source: ModuleSource
    text: bytes | None = None


class Environment(Protocol):
    """One place that has modules."""

    def find(self, name: str) -> FoundModule | None:
        """The module with the dotted name `name`; None where this place has none."""
        ...

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name of a class or function. Raises pickle.PicklingError."""
        ...

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether `obj` is what `name` of `module` is here."""
        ...
