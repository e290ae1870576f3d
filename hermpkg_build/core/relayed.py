"""Calls that change what a build knows: a process that builds targets for another makes them there, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

Relay: TypeAlias = Callable[[str, tuple[Any, ...], dict[str, Any]], None]
"""Takes the name of a method, and what it was called with: values that another process can be sent."""

_Method = TypeVar("_Method", bound=Callable[..., None])


class Relayed:
    """An object that tells `relay`, where there is one, of each call of its `relayed` methods."""

    relay: Relay | None = None


def relayed(method: _Method) -> _Method:
    """Let each call of a method be relayed, too."""
    name = method.__name__

    @wraps(method)
    def call(self: Relayed, *args: Any, **named: Any) -> None:
        if self.relay is not None:
            self.relay(name, args, named)
        method(self, *args, **named)

    return cast("_Method", call)
