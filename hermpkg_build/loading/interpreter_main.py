"""The process in which the Starlark interpreter runs: it alone dies of a file that takes too much.

It evaluates files that its parent sends, and asks the parent whatever they call. Messages both ways are JSON
behind their length.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Final

MAX_CALLS: Final = 200
"""How deep calls may nest. Without recursion a stack is no deeper than there are functions."""

MOST_MEMORY: Final = 512 << 20
"""So much may evaluating one file add to the memory of this process, which is looked at while it runs."""

MOST_ADDRESSES: Final = 960 << 20
"""So much may this process ever have beyond what it starts with. The system refuses more."""

MOST_STEPS: Final = 500_000_000
"""Steps of the interpreter for one file: some two seconds."""

MOST_CPU_S: Final = 4
"""Seconds of processor time for one file. The system ends this process in a single step that takes longer."""

_MOST_TURN_S: Final = 120
"""Seconds by the clock from one message to the next, for a process that waits for something in itself."""

LONGEST_MESSAGE: Final = 10_000
"""Characters of what ``print`` was given: messages are kept with what a file declares."""

MARK: Final = "_hermpkg_note_line"
"""The function that statements of a file call with their line before they do something."""

ASKING: Final = frozenset({"glob", "package_name"})
"""The functions that wait for what the parent answers. The others give nothing, or"""

MAKING: Final = frozenset({"deny", "extern", "intern", "mock"})
"""the number of a policy rule, that of the call among all of these."""

_MOST_STACK: Final = 8 << 20

_STEPS_BETWEEN_QUESTIONS: Final = 1000
"""The interpreter asks every thousand steps whether to go on."""

_LOOKS: Final = 5
"""Every fifth time the system is asked, which takes 10 us."""

_LENGTH: Final = 8
"""Bytes of the length before each message."""

OUT_OF_MEMORY: Final = 12
"""The exit code where Python has no memory left. The interpreter would make an error of the file of it."""

_PANIC: Final = "PanicException"
"""What PyO3 raises where Rust code gave up. It has no other name that Python knows."""


class _Rule:
    """A policy rule of the parent: files only carry it from one call to another."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def main() -> None:
    """Serve the parent at standard input and output; arguments are where to note lines, and a bound."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent gets it too, and knows what to do.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lines, most_addresses = map(int, sys.argv[1:3])
    bound_this_process(most_addresses)
    with suppress(EOFError, BrokenPipeError):
        _Server(requests, answers, lines=lines).serve()


def bound_this_process(most_addresses: int) -> None:
    """Limit what this process may take. Where the system knows a limit not, it stays without."""
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    addresses = _addresses()
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_STACK, _MOST_STACK)]
    if addresses:
        limits.append((resource.RLIMIT_AS, addresses + most_addresses))
    for kind, most in limits:
        soft, hard = resource.getrlimit(kind)
        known = [each for each in (most, soft, hard) if each != resource.RLIM_INFINITY]
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (min(known), hard))


def send(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write a message; it may wait in the stream until that is flushed."""
    data = _ENCODER.encode(message).encode()
    stream.write(len(data).to_bytes(_LENGTH, "big") + data)


def receive_length(stream: IO[bytes]) -> int:
    """Read how many bytes the next message has. Raises EOFError where there is no other."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        raise EOFError
    return int.from_bytes(head, "big")


def receive_bytes(stream: IO[bytes], length: int) -> bytes:
    """Read a message of `length` bytes. Raises EOFError where it ends early."""
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _number(value: object) -> object:
    if isinstance(value, _Rule):
        return {"rule": value.number}
    raise TypeError(f"no value of a file: {type(value).__name__}")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_number)
"""Made once: to make one takes longer than to write a message."""


class _Server:
    """Evaluates files for one parent; `lines` is a descriptor for the line that is evaluated."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes], *, lines: int) -> None:
        self._requests = requests
        self._answers = answers
        self._lines = lines
        self._modules: dict[str, Any] = {}
        self._stopped = ""
        self._rules = 0
        self._began = 0.0

    def serve(self) -> None:
        """Evaluate what the parent sends until it sends nothing more."""
        import starlark

        self._starlark = starlark
        extensions = starlark.LibraryExtension
        self._globals = starlark.Globals.extended_by(
            [extensions.StructType, extensions.CallStack, extensions.Json]
        )
        self._dialect = starlark.Dialect.standard()
        self._dialect.enable_keyword_only_arguments = True
        send(self._answers, {"ready": True})
        while True:
            send(self._answers, self._evaluated(self._receive()))

    def _receive(self) -> dict[str, Any]:
        self._answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)
        message: dict[str, Any] = json.loads(receive_bytes(self._requests, receive_length(self._requests)))
        signal.setitimer(signal.ITIMER_REAL, _MOST_TURN_S)
        return message

    def _evaluated(self, file: Mapping[str, Any]) -> Mapping[str, Any]:
        """Evaluate a file; return what became of it."""
        self._stopped = ""
        self._began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, file["cpu_s"])
        try:
            module = self._run(file)
            if file["is_loaded"]:
                self._modules[file["path"]] = module
        except self._starlark.StarlarkError as error:
            return {"error": str(error), "stopped": self._stopped}
        except BaseException as error:
            if type(error).__name__ == _PANIC:
                return {"panic": str(error)}
            raise
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return {"done": True, "cpu_s": time.process_time() - self._began}

    def _run(self, file: Mapping[str, Any]) -> Any:
        starlark = self._starlark
        module = starlark.Module()
        functions: Mapping[str, Callable[..., object]] = {
            "_call": self._call,
            "_print": self._print,
            MARK: self._note_line,
        }
        for name in file["functions"]:
            module.add_callable(name, _ending(functions[name]))
        options = starlark.EvalOptions(
            check_cancelled=self._question(file["steps"], file["memory"]), max_callstack_size=MAX_CALLS
        )
        known = {label: self._modules[path] for label, path in file["loads"].items()}
        loader = starlark.FileLoader(known.__getitem__)
        for path, text in file["texts"]:
            tree = starlark.parse(path, text, self._dialect)
            starlark.eval_with(options, module, tree, self._globals, loader)
        return module.freeze()

    def _question(self, most_steps: int, most_memory: int) -> Callable[[], bool]:
        """Return what the interpreter asks while it evaluates a file: whether it has to stop."""
        asked = 0
        most = _memory() + most_memory

        def is_cancelled() -> bool:
            nonlocal asked
            asked += 1
            if asked > most_steps // _STEPS_BETWEEN_QUESTIONS:
                self._stopped = "steps"
            elif asked % _LOOKS == 0 and _memory() > most:
                self._stopped = "memory"
            return bool(self._stopped)

        return is_cancelled

    def _note_line(self, line: int) -> None:
        os.pwrite(self._lines, b"%20d" % line, 0)

    def _call(self, function: str, stack: str, args: Sequence[object], kwargs: Sequence[object]) -> object:
        took = time.process_time() - self._began
        send(self._answers, {"call": [function, stack, args, kwargs], "cpu_s": took})
        if function in ASKING:
            return self._receive()["value"]
        if function not in MAKING:
            return None
        self._rules += 1
        return self._starlark.OpaquePythonObject(_Rule(self._rules - 1))

    def _print(self, stack: str, text: str) -> None:
        if len(text) > LONGEST_MESSAGE:
            from hermpkg_build.core.texts import clipped

            text = clipped(text, LONGEST_MESSAGE)
        send(self._answers, {"print": [stack, text]})


def _ending(function: Callable[..., object]) -> Callable[..., object]:
    """Return `function`, at whose failure this process ends: the interpreter would make text of it."""

    def call(*args: object) -> object:
        try:
            return function(*args)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except BaseException:  # noqa: BLE001 - whatever it is, it would become text
            os._exit(1)

    return call


def _addresses() -> int:
    """Return the bytes of this process's addresses; 0 where the system does not tell, and limits none."""
    return _pages(0)


def _memory() -> int:
    """Return the bytes of this process's memory; where the system does not tell, the most that it had."""
    return _pages(1) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _pages(index: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[index]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
