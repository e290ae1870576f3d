"""The environment variables that tell the dynamic loader where to look for libraries."""

from __future__ import annotations

import os

_NAMES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


def library_paths() -> dict[str, str]:
    """Those of this process, without which the loader may not find what the user's own Python finds."""
    return {name: os.environ[name] for name in _NAMES if name in os.environ}
