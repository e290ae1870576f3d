"""The folders in which rows of a benchmark work."""

from __future__ import annotations

import os
import shutil


def clear(folder: str) -> None:
    """Make `folder` empty: what the last row left, to free or to write, must not be the next one's burden."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    os.sync()


def fill(path: str, mib: int) -> None:
    """Write that many mebibytes of random bytes to a file."""
    with open(path, "wb") as file:
        file.writelines(os.urandom(1 << 20) for _ in range(mib))
