"""A Python process with modules imported, from which others are forked instead of started.

`processes` starts it with the number of a socket and, in JSON, what to import. Each message at the socket
asks for one process, and brings its descriptors and a pipe, which is told its number and, when it has ended,
how. It runs in one thread, so that what it forks has a whole copy of it. It is compiled under a name of no
file, `FROZEN`: what looks at the callers of code takes it for a part of the interpreter.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

LONGEST = 1 << 17
"""Bytes of a message, which goes in one piece."""
MOST_DESCRIPTORS = 32
FROZEN = "<frozen forks>"
_ASIDE = 256
"""Descriptors from this number on are for a moment in nobody's way."""


def import_ahead(path: Sequence[str], modules: Sequence[str], never: Sequence[str]) -> None:
    """Import modules, some of which lie in more folders than those of the path.

    Those are left out that need a library which is not installed.
    """
    before = list(sys.path)
    sys.path += path
    for name in modules:
        _import(name)
    sys.path[:] = before
    if early := [name for name in never if name in sys.modules]:
        sys.exit(f"imported ahead: {', '.join(early)}")
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("an import has started a thread")
    gc.collect()
    gc.freeze()


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == name.partition(".")[0]:
            raise


class Forks:
    """What was forked from here and has not ended; each has its number and the pipe that is told its end."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, tuple[int, int]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)

    def next_process(self, kept: Sequence[int]) -> dict[str, Any] | None:
        """Fork for each request, and return it in the new process; return None here at the end.

        Of the descriptors of this process the new one has those of the request, and `kept`.
        """
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._requests:
                    self._tell_the_end(key.fd)
                    continue
                message, descriptors, _, _ = socket.recv_fds(self._requests, LONGEST, MOST_DESCRIPTORS)
                if not message:
                    return None
                if not self._fork(descriptors):
                    self._requests.detach()
                    self._selector.close()
                    asked: dict[str, Any] = json.loads(message)
                    _take(dict(zip(asked["descriptors"], descriptors, strict=False)), kept)
                    return asked

    def _fork(self, descriptors: Sequence[int]) -> int:
        process = os.fork()
        if process:
            *given, told = descriptors
            for descriptor in given:
                os.close(descriptor)
            os.write(told, f"{process}\n".encode())
            handle = os.pidfd_open(process)
            self._running[handle] = (process, told)
            self._selector.register(handle, selectors.EVENT_READ)
        return process

    def _tell_the_end(self, handle: int) -> None:
        self._selector.unregister(handle)
        process, told = self._running.pop(handle)
        _, status = os.waitpid(process, 0)
        with suppress(BrokenPipeError):
            os.write(told, f"{status}\n".encode())
        os.close(told)
        os.close(handle)


def _take(given: dict[int, int], kept: Sequence[int]) -> None:
    """Have these descriptors under these numbers, and no others but those that are kept."""
    aside = {number: fcntl.fcntl(given[number], fcntl.F_DUPFD, _ASIDE) for number in given}
    stay = {*aside.values(), *kept}
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in stay:
            with suppress(OSError):
                os.close(number)
    for number, descriptor in aside.items():
        os.dup2(descriptor, number)
        os.close(descriptor)


def run(asked: dict[str, Any], run_factory: Callable[..., NoReturn] | None) -> NoReturn:
    """Become the process that is asked for, and end as it ends."""
    if asked["session"]:
        os.setsid()
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.dont_write_bytecode = sys.dont_write_bytecode or "PYTHONDONTWRITEBYTECODE" in os.environ
    # Where it is told who starts it, to end with that one, it is this one's parent.
    parents = {str(asked["parent"]): str(os.getppid())}
    sys.argv[:] = [parents.get(word, word) for word in asked["argv"]]
    kind, what = asked["run"]
    try:
        if kind == "module":
            sys.path.insert(0, os.getcwd())
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif run_factory is not None:
            run_factory(what, sys.argv[1:], asked["env"])
        else:
            main = sys.modules["__main__"] = ModuleType("__main__")
            program: Any = what
            if kind == "script":
                sys.path.insert(0, os.path.dirname(what))
                main.__file__ = what
                program = SourceFileLoader("__main__", what).get_code("__main__")
            exec(program, main.__dict__)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename == FROZEN:
            trace = trace.tb_next
        with suppress(Exception):
            sys.stdout.flush()
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        code = 1
    # All that an interpreter does at its end, but take modules apart: that takes longer than most commands.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def serve(requests: socket.socket, told: dict[str, Any]) -> None:
    """When first asked, import what is told; then fork until nobody is there to ask any more."""
    kept: Sequence[int] = ()
    with suppress(KeyboardInterrupt):
        if not requests.recv(1, socket.MSG_PEEK):
            return
        if told["prepare"]:
            folder, module, started = told["prepare"]
            sys.path.insert(0, folder)
            kept = importlib.import_module(module).prepare_commands(started)
            del sys.path[0]
        import_ahead(told["path"], told["modules"], told["never"])
        run_factory = _factories(told) if told["libraries"] else None
        asked = Forks(requests).next_process(kept)
        if asked is not None:
            run(asked, run_factory)


def _factories(told: dict[str, Any]) -> Callable[..., NoReturn]:
    """Import torch; return what runs a factory in a process that is forked then."""
    path, search_path = told["libraries"]
    sys.path[:0] = told["path"]
    libraries = ModuleType("libraries")
    exec(compile(Path(path).read_bytes(), FROZEN, "exec"), libraries.__dict__)
    return partial(libraries.run_factory, libraries.import_libraries(search_path))


def forget_tests() -> None:
    """Leave no module of tests to what is forked."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]


if __name__ == "__main__":
    if not sys.flags.isolated:
        del sys.path[0]
    os.close(int(os.path.basename(sys.argv[0])))  # what it was read from
    serve(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
