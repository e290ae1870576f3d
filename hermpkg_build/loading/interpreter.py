"""Runs the Starlark interpreter on BUILD and .bzl files; no other module knows it."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import starlark

from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import LoadingError, Location
from hermpkg_build.loading.call_site import Call
from hermpkg_build.loading.hosts import Host
from hermpkg_build.loading.prelude import (
    PRELUDE_PATH,
    Frame,
    frames_of,
    prelude_text,
    unseal,
)
from hermpkg_build.loading.rules import DEFS_LABEL, FUNCTIONS, Function
from hermpkg_build.loading.starlark_source import StarlarkSource
from hermpkg_build.loading.value_sizes import check_sizes

_MAX_CALLS = 200
"""How deep calls may nest. Without recursion a stack is no deeper than there are functions."""

_MOST_MEMORY = 1 << 30
"""So much may evaluating one file add to the memory of the process."""

_LOOKS = 5
"""The interpreter asks every thousand steps, and every fifth time the system is asked, which takes 10 us."""

_PANIC = "PanicException"
"""What PyO3 raises where Rust code gave up. It has no other name that Python knows."""

_ERROR = re.compile(
    r"^error: (?P<message>.*?)(?:\n --> (?P<path>[^\n]*):(?P<line>[0-9]+):(?P<column>[0-9]+)$.*)?\Z",
    re.MULTILINE | re.DOTALL,
)


_PRINT = Function(name="print", doc="", attributes={})

_T = TypeVar("_T")
Sealed: TypeAlias = Sequence[object]
SealedItems: TypeAlias = Sequence[tuple[str, object]]


class Interpreter:
    """An interpreter with the prelude loaded. `sources` are all files it may meet, by path."""

    def __init__(self, sources: Mapping[str, StarlarkSource]) -> None:
        extensions = starlark.LibraryExtension
        self._globals = starlark.Globals.extended_by(
            [extensions.StructType, extensions.CallStack, extensions.Json]
        )
        self._dialect = starlark.Dialect.standard()
        self._dialect.enable_keyword_only_arguments = True
        self._sources = sources
        self._host: Host | None = None
        self._failure: BaseException | None = None
        self._prelude = self._load_prelude()

    def run(
        self, source: StarlarkSource, modules: Mapping[str, starlark.FrozenModule], host: Host
    ) -> starlark.FrozenModule:
        """Evaluate a file, whose calls go to `host`; `modules` are what its load statements name.

        Raises LoadingError.
        """
        check_sizes(source, _MOST_MEMORY)
        module = starlark.Module()
        known = {**modules, DEFS_LABEL: self._prelude, PRELUDE_PATH: self._prelude}
        loader = starlark.FileLoader(known.__getitem__)
        symbols = "".join(f', "{name}"' for name in host.symbols)
        self._host, self._failure = host, None
        # Being asked whether to go on is also what lets Python notice Ctrl-C while a file loops.
        options = starlark.EvalOptions(
            check_cancelled=self._guarded(_memory_limit(source.path)), max_callstack_size=_MAX_CALLS
        )
        try:
            for path, text in (
                (PRELUDE_PATH, f'load("{PRELUDE_PATH}"{symbols})'),
                (source.path, source.text),
            ):
                tree = starlark.parse(path, text, self._dialect)
                starlark.eval_with(options, module, tree, self._globals, loader)
        except BaseException as error:
            if self._failure is not None:
                raise self._failure from None
            if isinstance(error, starlark.StarlarkError):
                raise self._translated(source, str(error)) from None
            if type(error).__name__ == _PANIC:
                raise _too_large(source.path, str(error)) from None
            raise
        finally:
            self._host = None
        return module.freeze()

    def _load_prelude(self) -> starlark.FrozenModule:
        module = starlark.Module()
        module.add_callable("_call", self._guarded(self._on_call))
        module.add_callable("_print", self._guarded(self._on_print))
        tree = starlark.parse(PRELUDE_PATH, prelude_text(), self._dialect)
        starlark.eval(module, tree, self._globals)
        return module.freeze()

    def _guarded(self, function: Callable[..., _T]) -> Callable[..., _T]:
        """Return `function` with its exceptions kept: the interpreter would turn them into text."""

        def call(*args: object) -> _T:
            try:
                return function(*args)
            except BaseException as error:
                self._failure = error
                raise

        return call

    def _on_call(self, function: str, stack: str, args: Sealed, kwargs: SealedItems) -> object:
        assert self._host is not None
        result = self._host.call(_call(FUNCTIONS[function], stack, args, kwargs))
        return starlark.OpaquePythonObject(result) if isinstance(result, PolicyRule) else result

    def _on_print(self, stack: str, text: str) -> None:
        assert self._host is not None
        self._host.message(_call(_PRINT, stack, [], []), text)

    def _translated(self, source: StarlarkSource, text: str) -> LoadingError:
        """Return the interpreter's error in our words, with the calls that led to it."""
        match = _ERROR.search(text)
        frames: Sequence[Frame] = frames_of(text)
        message = match["message"].strip() if match else text
        location = Location(source.path)
        if match and match["path"] and match["path"] != PRELUDE_PATH:
            location = Location(match["path"], int(match["line"]), int(match["column"]))
        elif frames:
            location = Location(frames[-1].path, frames[-1].line)
        if "call stack overflow" in message:
            message, frames = _overflow(
                frames, in_prelude=match is not None and match["path"] == PRELUDE_PATH
            )
        message = message.removeprefix("Parse error: ").partition(", expected one of")[0]
        origin = self._sources.get(location.path, source)
        width = len(max(re.findall(r"\^+", text), key=len, default="^"))
        return origin.error(location, message, width=width, facts=_called_from(frames))


def _memory_limit(path: str) -> Callable[[], bool]:
    """Return what the interpreter asks every thousand steps; it raises LoadingError for too much memory."""
    asked = 0
    most = _memory_bytes() + _MOST_MEMORY

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        if asked % _LOOKS == 0 and _memory_bytes() > most:
            raise _too_large(path, f"more than {_MOST_MEMORY >> 30} GiB")
        return False

    return is_cancelled


def _memory_bytes() -> int:
    """The memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


def _too_large(path: str, reason: str) -> LoadingError:
    return LoadingError(
        "the values of the file take too much memory",
        location=Location(path),
        facts=[("reason", reason)],
        next_step="make shorter lists",
    )


def _call(function: Function, stack: str, args: Sealed, kwargs: SealedItems) -> Call:
    return Call(
        function=function,
        frames=frames_of(stack),
        args=[unseal(value) for value in args],
        kwargs={name: unseal(value) for name, value in kwargs},
    )


def _called_from(frames: Sequence[Frame]) -> list[tuple[str, str]]:
    """Return a fact with the calls that led to a place inside a function, innermost first."""
    outer = [f"{frame.path}:{frame.line}" for frame in reversed(frames[:-1])]
    return [("called from", "\n".join(outer))] if outer else []


def _overflow(frames: Sequence[Frame], *, in_prelude: bool) -> tuple[str, Sequence[Frame]]:
    """Say where a stack overflow comes from, with the calls up to the first that repeats."""
    seen: set[tuple[str, str]] = set()
    for index, frame in enumerate(frames):
        key = (frame.path, frame.function)
        if key in seen:
            return (
                f"function {frame.function!r} is called recursively, and Starlark has no recursion",
                frames[:index],
            )
        seen.add(key)
    if in_prelude:
        return "a value is nested too deeply, or holds itself", frames
    return f"calls are nested more than {_MAX_CALLS} deep", frames
