"""Shared libraries that register with torch: each by its bytes once, and none that would end the process."""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from hermpkg_build.errors import LocalEnvironmentError

PATIENCE_S = 60.0
"""How long the initialiser of a shared library may take when it is tried."""


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
    if others and path not in loaded and os.path.isfile(path) and (fate := _fate(path)):
        raise NativeNameTakenError(
            "a shared library registers operators or classes of torch that another one has registered",
            facts=[("file", path), ("loaded first", ", ".join(sorted(others))), ("tried", fate)],
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


def _fate(path: str) -> str:
    """What becomes of a process like this one that loads `path`, "" where it lives on; tried in a copy of it.

    The copy has this thread alone, and a lock that another one holds just now is held in it for good:
    hence the limit of time.
    """
    with warnings.catch_warnings():
        # The copy loads and ends: it waits for no thread that it does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            faulthandler.disable()  # It would report the end of the copy as that of the process.
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            ctypes.CDLL(path)
        finally:
            os._exit(0)  # A library that cannot be loaded is an error for `load` to report.
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return f"a copy of this process ended in it ({_signal(status)})" if os.WIFSIGNALED(status) else ""
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"a copy of this process did not come back from it in {PATIENCE_S:g} s"


def _signal(status: int) -> str:
    number = os.WTERMSIG(status)
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
