"""Shared libraries that register with torch: each by its bytes once, and none that would end the process."""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import os
import resource
import select
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

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

    The copy says so itself: of its end nobody is told where the process ignores those of its children. It
    has this thread alone, and a lock that another one holds just now is held in it for good: hence the
    limit of time.
    """
    answers, answer = os.pipe()
    with warnings.catch_warnings():
        # The copy loads and ends: it waits for no thread that it does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _try_to_load(path, answer)
    os.close(answer)
    poll = select.poll()
    poll.register(answers, select.POLLIN)
    has_ended = bool(poll.poll(PATIENCE_S * 1000))
    lives = has_ended and bool(os.read(answers, 1))
    os.close(answers)
    if not has_ended:
        os.kill(child, signal.SIGKILL)
    how = _end_of(child)
    if lives:
        return ""
    if has_ended:
        return f"a copy of this process ended in it{how}"
    return f"a copy of this process did not come back from it in {PATIENCE_S:g} s"


def _try_to_load(path: str, answer: int) -> NoReturn:
    """Load a library, write a byte to `answer` where this process is still there, and end it."""
    try:
        faulthandler.disable()  # It would report the end of the copy as that of the process.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        ctypes.CDLL(path)
    finally:
        # A library that cannot be loaded is an error for `load` to report.
        os.write(answer, b"1")
        os._exit(0)


def _end_of(child: int) -> str:
    """Wait for a child; the signal that ended it, in brackets, where there was one and it can be told."""
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        return ""
    if not os.WIFSIGNALED(status):
        return ""
    number = os.WTERMSIG(status)
    return f" ({signal.Signals(number).name if number in set(signal.Signals) else f'signal {number}'})"
