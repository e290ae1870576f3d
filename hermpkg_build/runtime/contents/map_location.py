"""Where tensors go when they are loaded, as torch.load has it, in types that need no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias


class TorchDevice(Protocol):
    """A torch.device, which has no type where torch is not installed."""

    @property
    def type(self) -> str:
        """Its kind, such as ``cuda``."""

    @property
    def index(self) -> Any:
        """Its number among those of its kind, or None."""


MapLocation: TypeAlias = TorchDevice | str | Mapping[str, str] | Callable[[Any, str], Any] | None
"""A device, devices by those that they stand for, or a function of a storage and its device."""
