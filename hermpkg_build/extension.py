"""Chooses the extension in C, hermpkg-speed, where it is installed: Python does the same without it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from types import ModuleType

VARIABLE: Final = "HERMPKG_SPEED"


class Choice(NamedTuple):
    """The extension that is at work, if any, and in words which it is, or why there is none."""

    extension: ModuleType | None
    told: str


def library() -> str:
    """Where the extension at work lies; "" where there is none."""
    extension = choose().extension
    return extension.__file__ or "" if extension else ""


@cache
def choose() -> Choice:
    """Choose for this process: that of this very version, unless ``$HERMPKG_SPEED`` says ``never``."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "auto"):
        return Choice(None, f"in Python, since {VARIABLE} is {wanted!r}")
    try:
        import hermpkg_speed
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        return Choice(
            None, f"in Python: hermpkg-speed {'is not installed' if missing else 'cannot be loaded'}"
        )
    version = getattr(hermpkg_speed, "VERSION", None)
    if version != __version__:
        return Choice(None, f"in Python, since hermpkg-speed is of version {version}, not {__version__}")
    if not hasattr(hermpkg_speed, "Pickle"):
        return Choice(None, "in Python, since hermpkg-speed was built from older sources of this version")
    return Choice(hermpkg_speed, f"by hermpkg-speed {version}")
