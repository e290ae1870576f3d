"""What loaded modules say of themselves, without running code by which some make that up."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def told_by(module: object, name: str) -> Any:
    """What a module has under `name`; None for nothing, and where finding it out fails.

    One that would load itself when it is first asked for anything, or whose class makes attributes, is
    not asked: what Python's own loaders put into a module lies in it.
    """
    read = ModuleType.__getattribute__ if isinstance(module, ModuleType) else getattr
    try:
        return read(module, name)
    except Exception:  # noqa: BLE001 -- what stands in sys.modules is of anyone's own making
        return None
