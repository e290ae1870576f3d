"""A build backend that has another make wheels and source distributions, and puts artifacts into them.

    [build-system]
    requires = ["uv_build", "hermpkg-build"]
    build-backend = "hermpkg_build.backend"

The other one is that which ``requires`` names, or ``backend`` in ``[tool.hermpkg.wheel]``. It has the hooks
of PEP 517 and 660 that the other one has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_HOOKS = ("wheel", "sdist", "editable")


def __getattr__(name: str) -> Callable[..., Any]:
    """Return the hook of the other backend, or what stands before it.

    Raises AttributeError where the other one has none of that name, SystemExit where there is no other one.
    """
    if name.startswith("_") or not name.startswith(
        ("build_", "get_requires_for_build_", "prepare_metadata_for_")
    ):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hermpkg_build.wheels.wrapping import hook

    return hook(name)
