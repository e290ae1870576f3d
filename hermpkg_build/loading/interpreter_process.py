"""A child process with the Starlark interpreter in it, from its parent's side."""

from __future__ import annotations

import os
import signal
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.loading.interpreter_main import (
    MOST_ADDRESSES,
    OUT_OF_MEMORY,
    receive_bytes,
    receive_length,
    send,
)
from hermpkg_build.loading.memory_watch import is_bounded_by_system, watch

if TYPE_CHECKING:
    import subprocess

_PROGRAM: Final = (
    "import sys; sys.path += sys.argv[3:]; from hermpkg_build.loading.interpreter_main import main; main()"
)

MOST_GIVEN: Final = 256 << 20
"""So much memory may that take which one file gives to its calls, as far as can be told before it is read."""

_ENVIRONMENT: Final = {"RUST_BACKTRACE": "0"}
"""To show calls takes memory, and waits forever where there is none."""

_LIBRARY: Final = "starlark"


class EndedError(Exception):
    """The process has ended: `reason` is one of the words below, or says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


MEMORY: Final = "memory"
STEPS: Final = "steps"
GIVEN: Final = "given"
TIME: Final = "time"
TIME_OF_ALL: Final = "time of all"
DEPTH: Final = "depth"
_REASONS: Final = {
    -signal.SIGALRM: TIME,
    -signal.SIGPROF: TIME,
    -signal.SIGSEGV: DEPTH,
    -signal.SIGBUS: DEPTH,
    -signal.SIGABRT: MEMORY,
}


class InterpreterProcess:
    """A process that evaluates one file at a time. It ends with this object, or by `end`.

    Raises LocalEnvironmentError where it cannot be started.
    """

    def __init__(self) -> None:
        import subprocess

        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        folders = [root, _library_folder()]
        lines = -1
        try:
            lines = _memory_file()
            arguments = [str(lines), str(MOST_ADDRESSES), *folders]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[lines],
                env={**os.environ, **_ENVIRONMENT},
            )
        except OSError as error:
            if lines >= 0:
                os.close(lines)
            raise _not_started(error.strerror or str(error)) from error
        if not is_bounded_by_system():
            watch(self._process, MOST_ADDRESSES)
        self._lines = lines
        self.end: Callable[[], object] = weakref.finalize(self, _end, self._process, self._lines, os.getpid())
        self._is_ready = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. Raises EndedError."""
        assert self._process.stdin
        try:
            send(self._process.stdin, message)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, most: int = MOST_GIVEN) -> bytes:
        """Wait for the next message. Raises EndedError, also where it has more than `most` bytes: GIVEN."""
        assert self._process.stdout
        try:
            length = receive_length(self._process.stdout)
            if length > most:
                raise EndedError(GIVEN)
            return receive_bytes(self._process.stdout, length)
        except EOFError:
            raise self._ended() from None

    def wait_until_ready(self) -> None:
        """Wait until the process can evaluate files. Raises LocalEnvironmentError where it never can."""
        if self._is_ready:
            return
        try:
            self.receive()
        except EndedError as error:
            raise _not_started(f"the process with the interpreter ended: {error.reason}") from None
        self._is_ready = True

    def start_line(self) -> None:
        """Forget the line that was evaluated last."""
        os.ftruncate(self._lines, 0)

    def last_line(self) -> int:
        """Return the line of the statement that is evaluated, or was last; 0 where there is none."""
        return int(os.pread(self._lines, 64, 0) or 0)

    def _ended(self) -> EndedError:
        code = self._process.wait()
        if code == OUT_OF_MEMORY or code == -signal.SIGKILL:
            return EndedError(MEMORY)
        return EndedError(_REASONS.get(code, f"exit code {code}"))


def _memory_file() -> int:
    """Open a file without a name that a child can inherit."""
    memfd_create = getattr(os, "memfd_create", None)
    if memfd_create is not None:
        descriptor: int = memfd_create("hermpkg-lines")
        return descriptor
    import tempfile

    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


def _library_folder() -> str:
    """Return the folder of the interpreter's library, without loading it here."""
    from importlib.util import find_spec

    spec = find_spec(_LIBRARY)
    if spec is None or spec.origin is None:
        raise _not_started(f"the module {_LIBRARY} is not installed")
    return os.path.dirname(os.path.dirname(spec.origin))


def _not_started(reason: str) -> LocalEnvironmentError:
    return LocalEnvironmentError(
        "cannot start the interpreter of BUILD files",
        facts=[("reason", reason), ("python", sys.executable)],
        next_step=f"see whether this works: {sys.executable} -c 'import {_LIBRARY}'",
    )


def _end(process: subprocess.Popen[bytes], lines: int, owner: int) -> None:
    """End the process, unless this is a fork of the one that started it."""
    os.close(lines)
    for stream in (process.stdin, process.stdout):
        assert stream
        with suppress(OSError):
            stream.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()
