"""Shared libraries beside Python code: how code names them, and which others they need."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping

_LIBRARY = re.compile(r"(?:lib)?([^./]+)[^/]*\.(?:so(?:\.[0-9.]+)?|pyd|dylib|dll)")
_LOADERS = re.compile(rb"\b(?:CDLL|PyDLL|WinDLL|cdll|dlopen|load_library|LoadLibrary)\b")
_SEARCHED = re.compile(rb"\$ORIGIN([\w./+-]*)")
"""A folder, relative to that of a library, in which the loader looks for the libraries that it needs."""


def is_library(record: str) -> bool:
    """Whether a record has the name of a shared library.

    >>> [is_library(name) for name in ("lib/_C.so", "lib/libx.so.1.2", "lib/x.dll", "lib/x.sol", "lib/so")]
    [True, True, True, False, False]
    """
    return _LIBRARY.fullmatch(os.path.basename(record)) is not None


def names_library(text: bytes, record: str) -> bool:
    """Whether a source names a shared library, or in quotes what a loader makes its name of.

    >>> names_library(b'load("_C")', "lib/_C.cpython-312-x86_64-linux-gnu.so")
    True
    """
    file = os.path.basename(record)
    match = _LIBRARY.fullmatch(file)
    stem = re.escape(match[1].encode() if match else file.encode())
    return file.encode() in text or re.search(rb"""["'](?:lib)?""" + stem + rb"""["']""", text) is not None


def loads_libraries(text: bytes) -> bool:
    """Whether a source loads shared libraries."""
    return _LOADERS.search(text) is not None


def place_of_loading(text: bytes) -> tuple[int, int]:
    """The line and the column of the first word in a source that loads shared libraries; 0, 0 without one."""
    match = _LOADERS.search(text)
    if match is None:
        return 0, 0
    start = text.rfind(b"\n", 0, match.start()) + 1
    return text.count(b"\n", 0, start) + 1, match.start() - start + 1


def needed_libraries(
    record: str, path: str, entries: Callable[[str], Mapping[str, bool] | None]
) -> Iterator[tuple[str, str]]:
    """The record and path of each library that the one at `path` needs and has its loader find near it.

    `entries` gives the names in a folder. Tools that make wheels put such libraries beside the package.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for place in sorted({match[1].decode() for match in _SEARCHED.finditer(data)}):
                folder = os.path.normpath(os.path.dirname(path) + place)
                beside = os.path.normpath(os.path.dirname(record) + place)
                for name, is_folder in (entries(folder) or {}).items():
                    is_needed = not is_folder and is_library(name) and data.find(name.encode() + b"\0") >= 0
                    if is_needed and not beside.startswith(".."):
                        yield f"{beside}/{name}", os.path.join(folder, name)
    except (OSError, ValueError):
        return  # Gone, or empty.
