"""The right sides of differential equations."""

from __future__ import annotations

from typing import Any


class Decay:
    """The right side of a differential equation."""

    def __call__(self, _: Any, y: Any) -> Any:
        """Lose a half in a unit of time."""
        return -0.5 * y


class Walk:
    """A random walk that is drawn to zero."""

    noise_type = "diagonal"
    sde_type = "ito"

    def f(self, _: Any, y: Any) -> Any:
        """The drift."""
        return -y

    def g(self, _: Any, y: Any) -> Any:
        """The diffusion."""
        return 0.1 * y.abs()
