"""The folders in which rows of a benchmark work."""

from __future__ import annotations

import os
import shutil


def clear(folder: str) -> None:
    """Make `folder` empty: what the last row left, to free or to write, must not be the next one's burden."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    os.sync()


def in_memory(mib: int) -> str | None:
    """A folder for `mib` of files in memory; None, for that of temporary files, where there is no room.

    What a disk writes back, and when, falls on whichever row runs meanwhile.
    """
    folder = "/dev/shm"
    if os.path.isdir(folder) and shutil.disk_usage(folder).free >> 20 > 2 * mib and _free_mib() > 2 * mib:
        return folder
    return None


def _free_mib() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = dict(line.split(":") for line in file)
    return int(sizes["MemAvailable"].split()[0]) >> 10


def fill(path: str, mib: int) -> None:
    """Write that many mebibytes of random bytes to a file."""
    with open(path, "wb") as file:
        file.writelines(os.urandom(1 << 20) for _ in range(mib))
