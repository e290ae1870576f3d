"""The protocol of places that modules are packed from."""

from __future__ import annotations

from typing import Any, Protocol

from hermpkg_build.analysis.module_finder import ModuleSource


class ModuleProvider(Protocol):
    """A place that has modules."""

    def find(self, name: str) -> ModuleSource | None:
        """The module with the dotted name `name`; None where this place has none."""
        ...

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name of a class or function. Raises pickle.PicklingError."""
        ...

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether `name` of `module` is `obj` here."""
        ...
