"""Which modules a call runs code of, found by running it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any


def trace_dependencies(callable: Callable[..., Any], inputs: Iterable[tuple[Any, ...]]) -> list[str]:  # noqa: A002
    """The names of all modules with a Python function that runs while `callable` is called, sorted.

    `inputs` are the arguments of each call. Code that is written in C does not show. Profilers,
    debuggers and coverage tools that are at work go on with theirs; only the calling thread is watched.
    """
    modules: set[str] = set()
    with _calls_seen_by(lambda frame: modules.add(frame.f_globals.get("__name__", ""))):
        for arguments in inputs:
            callable(*arguments)
    return sorted(modules - {"", __name__})


@contextmanager
def _calls_seen_by(note: Callable[[FrameType], None]) -> Iterator[None]:
    """Have `note` called with the frame of every Python function that begins in this thread."""
    if sys.version_info >= (3, 12):
        watching = _monitored(note)
    elif sys.getprofile() is None or callable(sys.getprofile()):
        watching = _profiled(note)
    else:
        # A profiler that is written in C, such as cProfile, cannot be called nor put back.
        watching = _traced(note)
    with watching:
        yield


@contextmanager
def _profiled(note: Callable[[FrameType], None]) -> Iterator[None]:
    previous: Any = sys.getprofile()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            note(frame)
        if previous is not None:
            previous(frame, event, argument)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(previous)


@contextmanager
def _traced(note: Callable[[FrameType], None]) -> Iterator[None]:
    previous: Any = sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            note(frame)
        return previous(frame, event, argument) if previous is not None else None

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


@contextmanager
def _monitored(note: Callable[[FrameType], None]) -> Iterator[None]:
    """By PEP 669, beside whatever other tools there are."""
    import threading

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    tool = next((number for number in range(6) if monitoring.get_tool(number) is None), None)
    if tool is None:
        with _profiled(note):
            yield
        return
    thread = threading.get_ident()

    def began(_code: CodeType, _offset: int) -> None:
        if threading.get_ident() == thread:
            note(sys._getframe(1))

    monitoring.use_tool_id(tool, "hermpkg")
    monitoring.register_callback(tool, monitoring.events.PY_START, began)
    monitoring.set_events(tool, monitoring.events.PY_START)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, monitoring.events.PY_START, None)
        monitoring.free_tool_id(tool)
