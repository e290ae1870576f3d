"""Reads attributes of loaded modules without running code of theirs."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def attribute_of(module: object, name: str) -> Any:
    """The attribute `name` that lies in a module itself; None where there is none, or reading it fails.

    Python's own loaders put all they know into a module. Code of its class is not run: it could load the
    module when it is first asked for anything, or make attributes up.
    """
    read = ModuleType.__getattribute__ if isinstance(module, ModuleType) else getattr
    try:
        return read(module, name)
    except Exception:  # noqa: BLE001 -- anything can stand in sys.modules
        return None
