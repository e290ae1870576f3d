"""Where this interpreter and its standard library lie."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache


@cache
def standard_library() -> tuple[str, ...]:
    """The folders that the standard library is imported from, and the ZIP files beside them.

    Some may be absent. A virtual environment has a folder of its own here, which holds only site-packages.
    """
    paths = sysconfig.get_paths()
    folders = dict.fromkeys([os.path.dirname(os.__file__), paths["stdlib"], paths["platstdlib"]])
    zipped = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    return (
        *folders,
        *(os.path.join(folder, "lib-dynload") for folder in folders),
        *dict.fromkeys(os.path.join(os.path.dirname(folder), zipped) for folder in folders),
    )


def interpreter() -> str:
    """Say in which interpreter modules are looked for: its path and version."""
    return f"{sys.executable or 'this program'} (Python {sys.version.split()[0]})"
