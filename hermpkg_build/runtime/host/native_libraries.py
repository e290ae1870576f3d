"""Loads shared libraries that register with torch: the same bytes once, none that would end the process."""

from __future__ import annotations

import ctypes
import faulthandler
import filecmp
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from hermpkg_build.core.texts import signal_name
from hermpkg_build.errors import LocalEnvironmentError

PATIENCE_S = 60.0
"""How long the initialiser of a shared library may take when it is tried, in seconds."""


class NativeNameTakenError(LocalEnvironmentError, OSError):
    """A shared library registers names with torch that another one has registered."""


def load_library(load: Callable[[str], Any], path: str) -> None:
    """Call `load`, which is torch.ops.load_library, unless the same bytes are loaded from elsewhere.

    The initialiser of a library registers its operators and classes. A second copy of the library, which
    an artifact may hold beside its code, would register the same names, and torch would end the process;
    the first copy has registered them already. Raises NativeNameTakenError where a different library of
    the same file name is loaded and this one cannot be loaded beside it.
    """
    loaded: set[str] = sys.modules["torch"].ops.loaded_libraries
    others = [
        other for other in loaded if other != path and os.path.basename(other) == os.path.basename(path)
    ]
    if any(_is_same(path, other) for other in others):
        loaded.add(path)
        return
    if others and path not in loaded and os.path.isfile(path) and (failure := _failure_of(path, loaded)):
        raise NativeNameTakenError(
            "a shared library registers operators or classes of torch that another one has registered",
            facts=[("file", path), ("loaded first", ", ".join(sorted(others))), ("tried", failure)],
            next_step="load one of the two in a process; extern the module that loads this one, so that there"
            " is one copy, or give its namespace another name",
        )
    load(path)


def _is_same(path: str, other: str) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _failure_of(path: str, loaded: Iterable[str]) -> str:
    """Load `path` beside `loaded` in another process; how that ended the process, "" where it lived on."""
    return _failure_in_child(path) if hasattr(os, "fork") else _failure_in_program([*loaded, path])


def _failure_in_program(paths: Sequence[str]) -> str:
    """Load libraries with torch in a new process; how the last of them ended it, "" where it lived on."""
    import subprocess

    program = (
        "import os, sys, torch\nfor path in sys.argv[1:]:\n"
        "    print(path, flush=True)\n    try:\n        torch.ops.load_library(path)\n"
        "    except Exception:\n        pass\nprint(flush=True)\nos._exit(0)"
    )
    try:
        completed = subprocess.run(
            [sys.executable, "-c", program, *paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return f"a process that loaded both did not come back from it in {PATIENCE_S:g} s"
    except OSError:
        return ""  # What runs Python here is no interpreter: only loading it tells.
    reached = completed.stdout.splitlines()
    return "a process that loaded both ended in it" if reached and reached[-1] == paths[-1] else ""


def _failure_in_child(path: str) -> str:
    """Load `path` in a copy of this process; how that ended the copy, "" where it lived on.

    The copy reports by itself, because a process that ignores its children is not told how they ended. It
    has this thread alone, and a lock that another thread holds now stays locked in it: hence the time limit.
    """
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no fork")
    import resource  # noqa: F401 - the copy must not be the first to: another thread may have an import's lock
    import select

    answers, answer = os.pipe()
    with warnings.catch_warnings():
        # The warning is about threads that the copy lacks. It waits for none: it loads and ends.
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
    how = _wait_for(child)
    if lives:
        return ""
    if has_ended:
        return f"a copy of this process ended in it{how}"
    return f"a copy of this process did not come back from it in {PATIENCE_S:g} s"


def _try_to_load(path: str, answer: int) -> NoReturn:
    """Load a library, write a byte to `answer` if this process still lives, and end the process."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no fork")
    import resource

    try:
        faulthandler.disable()  # It would report a crash of the copy as one of the process.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        ctypes.CDLL(path)
    finally:
        # Where the library cannot be loaded, `load` reports the error.
        os.write(answer, b"1")
        os._exit(0)


def _wait_for(child: int) -> str:
    """Wait for a child; return the signal that ended it, in brackets, "" where none is known."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no fork")
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        return ""
    if not os.WIFSIGNALED(status):
        return ""
    return f" ({signal_name(os.WTERMSIG(status))})"
