"""Shared libraries that register with torch: each by its bytes once, and none that would end the process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from hermpkg_build.errors import LocalEnvironmentError


class NativeNameTakenError(LocalEnvironmentError, OSError):
    """A shared library registers names with torch that another one has registered."""


def load_library(load: Callable[[str], Any], path: str) -> None:
    """Do as `load`, which is torch.ops.load_library, unless the same bytes are loaded from elsewhere.

    The initialiser of a library registers its operators and classes; a second copy of it, which an
    artifact beside its code may hold, would register the same names, and torch ends the process.
    What the first copy has registered is what the second would. Raises NativeNameTakenError where
    another library of the same file name is loaded beside which this one cannot be.
    """
    loaded: set[str] = sys.modules["torch"].ops.loaded_libraries
    others = [
        other for other in loaded if other != path and os.path.basename(other) == os.path.basename(path)
    ]
    if any(_is_same(path, other) for other in others):
        loaded.add(path)
        return
    if others and path not in loaded and os.path.isfile(path) and not _survives(path):
        raise NativeNameTakenError(
            "a shared library registers operators or classes of torch that another one has registered",
            facts=[("file", path), ("loaded first", ", ".join(sorted(others)))],
            next_step="load one of the two in a process; extern the module that loads this one, so that there"
            " is one copy, or give its namespace another name",
        )
    load(path)


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.getsize(path) == os.path.getsize(other) and _digest(path) == _digest(other)
    except OSError:
        return False


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


def _survives(path: str) -> bool:
    """Whether a process like this one lives on after loading `path`; tried in a copy of the process."""
    with warnings.catch_warnings():
        # The copy loads and ends: it waits for no thread that it does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            ctypes.CDLL(path)
        finally:
            os._exit(0)  # A library that cannot be loaded is an error for `load` to report.
    return not os.WIFSIGNALED(os.waitpid(child, 0)[1])
