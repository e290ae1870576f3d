"""Reduces modules whose tensors torch.nn.utils.parametrize computes: weight_norm, spectral_norm and the like.

Such a module has a class that was made for it alone, which refuses to be pickled. All that it holds is in its
attributes; the class is made again from the original one, by the functions of torch that made it.
"""

from __future__ import annotations

import sys
from operator import itemgetter
from typing import Any

_MODULE = "torch.nn.utils.parametrize"
_HELD = "parametrizations"
_HOOKS = "_load_state_dict_pre_hooks"
_COMPATIBILITY = "weight_norm.<locals>._weight_norm_compat_hook"


class _Call:
    """Stands in a pickle for a call, whose result is not used."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def is_made_for_one(kind: Any) -> bool:
    """Whether `kind` may be a class that was made for one parametrized module."""
    return getattr(kind, "__module__", None) == _MODULE


def parametrized_class(obj: Any) -> Any:
    """The original class of a parametrized module; None for anything else."""
    kind: Any = type(obj)
    if not is_made_for_one(kind):
        return None
    is_made = kind.__name__ == f"Parametrized{kind.__base__.__name__}" and _HELD in obj.__dict__["_modules"]
    return kind.__base__ if is_made and hasattr(sys.modules[_MODULE], "_inject_property") else None


def _without_compatibility(hooks: Any) -> Any:
    """The hooks without the one that reads state dicts of the older weight_norm: no name leads to it."""
    left = {key: hook for key, hook in hooks.items() if _name_of(hook) != _COMPATIBILITY}
    return hooks if len(left) == len(hooks) else type(hooks)(left)


def _name_of(hook: Any) -> str:
    return str(getattr(getattr(hook, "hook", hook), "__qualname__", ""))


def by_its_original(obj: Any, original: Any) -> Any:
    """The reduction of a parametrized module to one of its original class that gets its own class again."""
    parametrize: Any = sys.modules[_MODULE]
    plain = original.__new__(original)
    plain.__dict__ = {**obj.__dict__, _HOOKS: _without_compatibility(obj.__dict__.get(_HOOKS, {}))}
    calls = [_Call(parametrize._inject_new_class, plain)]
    calls += [_Call(parametrize._inject_property, plain, name) for name in obj._modules[_HELD]]
    return itemgetter(0), ((plain, *calls),)
