"""Calls that change what a build knows: a process that builds targets for another has them made there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

Relay: TypeAlias = Callable[[str, tuple[Any, ...], dict[str, Any]], None]
"""Takes the name of a method, and what it was called with: values that another process can be sent."""

_Method = TypeVar("_Method", bound=Callable[..., None])


class Relayed:
    """An object that gives calls of its `relayed` methods to `relay`, where there is one, and makes none."""

    relay: Relay | None = None


def relayed(method: _Method) -> _Method:
    """Let calls of a method be relayed."""
    name = method.__name__

    @wraps(method)
    def call(self: Relayed, *args: Any, **named: Any) -> None:
        if self.relay is not None:
            self.relay(name, args, named)
        else:
            method(self, *args, **named)

    return cast("_Method", call)
