"""Says which records can be files on disk: on Windows some names lead elsewhere."""

from __future__ import annotations

import os
import re
import sys

_NOT_IN_NAMES = re.compile(r'[\0-\x1f<>:"|?*\\]')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789\xb9\xb2\xb3"]
)
_WITHOUT_CASE = ("win32", "darwin")
"""Systems whose disks usually find ``Words.txt`` by the name ``words.txt``."""


def problem_as_file(name: str, *, platform: str = sys.platform) -> str:
    """Say why a record with the sound `name` cannot be a file below a folder here; "" where it can.

    On Windows a name can lead to a drive, a device, a stream of a file, or to the name without its end.

    >>> problem_as_file("data/nul.txt", platform="win32")
    "Windows has a device 'nul.txt'"
    """
    if platform != "win32":
        return ""
    if found := _NOT_IN_NAMES.search(name):
        return f"Windows has no file with {found[0]!r} in its name"
    for segment in name.split("/"):
        if segment.endswith((" ", ".")):
            return f"Windows would leave out the end of {segment!r}"
        if segment.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
            return f"Windows has a device {segment!r}"
    return ""


def has_just_this_name(folder: str, name: str) -> bool:
    """Whether what is found as `name` below `folder` has that name, and not one in other cases."""
    if sys.platform not in _WITHOUT_CASE:
        return True
    here = folder
    for segment in name.split("/"):
        try:
            if segment not in os.listdir(here):
                return False
        except OSError:
            return False
        here = os.path.join(here, segment)
    return True
