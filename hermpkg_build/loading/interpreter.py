"""Has BUILD and .bzl files evaluated, in a process of their own, and answers what they call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from hermpkg_build.errors import LoadingError, Location
from hermpkg_build.loading.allowance import Allowance, AllTakeTooLongError, FileTakesTooLongError
from hermpkg_build.loading.call_site import Call
from hermpkg_build.loading.hosts import Host
from hermpkg_build.loading.interpreter_errors import Place, TooMuchError, ended, stopped, translated
from hermpkg_build.loading.interpreter_main import ASKING, MAKING, MARK, MOST_CPU_S, MOST_MEMORY, MOST_STEPS
from hermpkg_build.loading.interpreter_process import (
    GIVEN,
    MEMORY,
    MOST_GIVEN,
    TIME,
    TIME_OF_ALL,
    EndedError,
    InterpreterProcess,
)
from hermpkg_build.loading.line_marks import MarkedText, marked
from hermpkg_build.loading.prelude import PRELUDE_PATH, frames_of, prelude_text, unseal
from hermpkg_build.loading.rules import DEFS_LABEL, FUNCTIONS, Function
from hermpkg_build.loading.starlark_source import StarlarkSource

_OF_A_CALL: Final = 8 << 10
_OF_A_VALUE: Final = 56
"""Bytes of memory for each call, and for each value in it, beside their text."""

_MOST_ERRORS: Final = 1_000
"""After so many errors a file is evaluated no further."""

_NO_MEMORY: Final = ("memory", "capacity", "Size")
"""Words of Rust code that gave up because a value was too large."""

_PRINT = Function(name="print", doc="", attributes={})

Sealed: TypeAlias = Sequence[object]
SealedItems: TypeAlias = Sequence[tuple[str, object]]


class _PolicyRules:
    """The policy rules that messages of a process name by their numbers."""

    def __init__(self) -> None:
        self.bytes: int = 0
        self._rules: list[tuple[object, int]] = []

    def add(self, rule: object) -> None:
        """Let messages that stand for the next policy rule mean this one."""
        self._rules.append((rule, len(repr(rule))))

    def of(self, found: dict[str, Any]) -> object:
        """Return the policy rule that an object in a message stands for, and count its bytes."""
        if "rule" not in found:
            return found
        rule, size = self._rules[found["rule"]]
        self.bytes += size
        return rule


class _Running:
    """A process, the files that it has evaluated, and the policy rules that they know by their numbers.

    Nothing here leads back to it, so that the process ends with the last who knows it.
    """

    def __init__(self) -> None:
        self.process: InterpreterProcess = InterpreterProcess()
        self.ran: set[str] = set()
        self.rules: _PolicyRules = _PolicyRules()
        self.decoder: json.JSONDecoder = json.JSONDecoder(object_hook=self.rules.of)


class Interpreter:
    """Evaluates files. `sources` are all those that it may meet, by path.

    A file that ends the process of the interpreter costs no other: the next one gets another process.
    """

    def __init__(self, sources: Mapping[str, StarlarkSource]) -> None:
        self._sources = sources
        self._marked: dict[str, MarkedText] = {}
        self._running: _Running | None = None
        self.allowance: Allowance = Allowance()

    def start(self) -> _Running:
        """Start the process, if there is none, without waiting for it. Raises LocalEnvironmentError."""
        if self._running is None:
            self._running = _Running()
        return self._running

    def has(self, path: str) -> bool:
        """Whether the process knows what the .bzl file at `path` defines."""
        return self._running is not None and path in self._running.ran

    def run(self, source: StarlarkSource, loads: Mapping[str, str], host: Host) -> None:
        """Evaluate a file, whose calls go to `host`; `loads` has the paths of what its load statements name.

        Raises LoadingError; TooMuchError where the file takes too much time or memory.
        """
        running = self.start()
        text = self._marked[source.path] = marked(source)
        place = Place(source=source, sources=self._sources, marked=self._marked)
        self.allowance.begin(len(source.text), MOST_CPU_S)
        try:
            _load_prelude(running)
            answer = _evaluated(running, text, source.path, loads, host, self.allowance)
        except (EndedError, FileTakesTooLongError, AllTakeTooLongError) as error:
            line = running.process.last_line()
            self.close()
            why = _reason(error)
            # A file has time of its own, but its memory may be where others have theirs.
            ran = running.ran if why == MEMORY else set()
            raise _with_files(ended(place, why, line), ran) from None
        except BaseException:
            self.close()
            raise
        finally:
            self.allowance.end()
        if reason := answer.get("stopped"):
            raise stopped(place, reason, answer["error"])
        if "error" in answer:
            raise translated(place, answer["error"])
        running.ran.add(source.path)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._running is not None:
            self._running.process.end()
        self._running = None


def _load_prelude(running: _Running) -> None:
    if PRELUDE_PATH in running.ran:
        return
    running.process.wait_until_ready()
    texts = [(PRELUDE_PATH, prelude_text())]
    running.process.send(_file(PRELUDE_PATH, texts, loads={}, functions=["_call", "_print"]))
    answer = json.loads(running.process.receive())
    assert "done" in answer, answer
    running.ran.add(PRELUDE_PATH)


def _reason(error: EndedError | FileTakesTooLongError | AllTakeTooLongError) -> str:
    if isinstance(error, EndedError):
        return error.reason
    return TIME if isinstance(error, FileTakesTooLongError) else TIME_OF_ALL


def _evaluated(
    running: _Running,
    marked_text: MarkedText,
    path: str,
    loads: Mapping[str, str],
    host: Host,
    allowance: Allowance,
) -> Mapping[str, Any]:
    """Have a file evaluated, answer what it calls, and return what became of it.

    Raises EndedError, FileTakesTooLongError, AllTakeTooLongError, and LoadingError after many errors.
    """
    process = running.process
    symbols = "".join(f', "{name}"' for name in host.symbols)
    known = {**loads, DEFS_LABEL: PRELUDE_PATH, PRELUDE_PATH: PRELUDE_PATH}
    texts = [(PRELUDE_PATH, f'load("{PRELUDE_PATH}"{symbols})'), (path, marked_text.text)]
    process.start_line()
    process.send(_file(path, texts, known, functions=[MARK]))
    left, rules_before = MOST_GIVEN, running.rules.bytes
    while True:
        data = process.receive(left)
        left -= len(data) + _OF_A_VALUE * data.count(b",") + _OF_A_CALL
        if left < running.rules.bytes - rules_before + host.shared_bytes:
            raise EndedError(GIVEN)
        message: dict[str, Any] = running.decoder.decode(data.decode())
        allowance.interpreter_took(message.get("cpu_s", 0))
        allowance.check()
        if "call" in message:
            call = _call_of(*message["call"])
            result = host.call(call)
            if call.function.name in ASKING:
                process.send({"value": result})
            elif call.function.name in MAKING:
                running.rules.add(result)
        elif "print" in message:
            stack, printed = message["print"]
            host.message(_call(_PRINT, stack, [], []), printed)
        elif "panic" in message:
            text = message["panic"]
            raise EndedError(MEMORY if any(word in text for word in _NO_MEMORY) else text)
        else:
            return message
        if len(host.errors) >= _MOST_ERRORS:
            summary = f"more than {_MOST_ERRORS:,} errors"
            raise LoadingError(summary, location=Location(path), next_step="mend these first")


def _file(
    path: str, texts: Sequence[tuple[str, str]], loads: Mapping[str, str], functions: Sequence[str]
) -> Mapping[str, object]:
    """Return the message that has a file evaluated: `texts` in their order, with `functions` at hand."""
    return {
        "path": path,
        "is_loaded": path == PRELUDE_PATH or path.endswith(".bzl"),
        "texts": texts,
        "loads": loads,
        "functions": functions,
        "steps": MOST_STEPS,
        "memory": MOST_MEMORY,
        "cpu_s": MOST_CPU_S,
    }


def _call_of(function: str, stack: str, args: Sealed, kwargs: SealedItems) -> Call:
    return _call(FUNCTIONS[function], stack, args, kwargs)


def _call(function: Function, stack: str, args: Sealed, kwargs: SealedItems) -> Call:
    return Call(
        function=function,
        frames=frames_of(stack),
        args=[unseal(value) for value in args],
        kwargs={name: unseal(value) for name, value in kwargs},
    )


def _with_files(error: LoadingError, ran: set[str]) -> LoadingError:
    if isinstance(error, TooMuchError):
        error.ran = frozenset(ran)
    return error
