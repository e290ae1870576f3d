"""Lets ``torch.save`` write where the artifacts of packaged objects lie, as pickles of protocol 4 say it.

It writes protocol 2 by itself, which names classes and functions by bare text: in another process that
would be nothing, or the module of whoever has the name there.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from hermpkg_build.runtime.importing.space import OPEN_SPACES
from hermpkg_build.runtime.mangling import is_mangled

_FIRST_THAT_SAYS_IT = 4
_FUNCTIONS = ("_save", "_legacy_save")


def carry_artifacts() -> None:
    """From now on, let ``torch.save`` do so, where torch is loaded."""
    torch_serialization = sys.modules.get("torch.serialization")
    for name in _FUNCTIONS:
        save = getattr(torch_serialization, name, None)
        if save is not None and not hasattr(save, "carries_artifacts"):
            setattr(torch_serialization, name, _carrying(save))


def packaged_object(module: str, name: str) -> Any:
    """Find the class or function `name` of a packaged module, whose artifact is open. Raises ImportError."""
    return _named(importlib.import_module(module), name)


def _carrying(save: Callable[..., None]) -> Callable[..., None]:
    """Make `save`, a function of torch, use a pickler that writes more for packaged classes and functions."""

    @functools.wraps(save)
    def saving(obj: Any, target: Any, pickle_module: Any, pickle_protocol: int, *more: Any) -> None:
        if OPEN_SPACES and 0 <= pickle_protocol < _FIRST_THAT_SAYS_IT:
            pickle_module = _PickleModule(pickle_module)
        save(obj, target, pickle_module, pickle_protocol, *more)

    saving.carries_artifacts = True  # type: ignore[attr-defined]
    return saving


class _PickleModule:
    """A module like pickle, with another pickler."""

    def __init__(self, module: Any) -> None:
        self._module = module

        class Pickler(module.Pickler):  # type: ignore[misc]
            def reducer_override(self, obj: Any) -> Any:
                if isinstance(obj, (type, FunctionType)) and _is_found_in_package(obj):
                    return packaged_object, (obj.__module__, obj.__qualname__)
                inherited = getattr(super(), "reducer_override", None)
                return NotImplemented if inherited is None else inherited(obj)

        self.Pickler = Pickler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _is_found_in_package(obj: Any) -> bool:
    module = obj.__module__
    # The name of an importer of torch is mangled, too, and no text of ours.
    if not isinstance(module, str) or type(module) is str or not is_mangled(module):
        return False
    return _named(sys.modules.get(module), obj.__qualname__) is obj


def _named(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
