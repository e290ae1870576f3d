"""trace_dependencies: runs a function to find the modules whose code it runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, TypeAlias

Note: TypeAlias = "Callable[[FrameType], None]"
Stop: TypeAlias = "Callable[[], None]"

_TOOLS = range(6)
"""The numbers that `sys.monitoring` has for tools (PEP 669)."""


def trace_dependencies(callable: Callable[..., Any], inputs: Iterable[tuple[Any, ...]]) -> list[str]:  # noqa: A002
    """Call `callable` and list the modules with a Python function that runs meanwhile, sorted.

    `inputs` has the arguments of each call. Code written in C is not seen, nor are other threads.
    Profilers, debuggers and coverage tools that are active go on with their work.

    >>> import json
    >>> trace_dependencies(json.dumps, [({"a": 1},)])
    ['json', 'json.encoder']
    """
    modules: set[str] = set()
    stop = _watch(lambda frame: modules.add(frame.f_globals.get("__name__", "")))
    try:
        for arguments in inputs:
            callable(*arguments)
    finally:
        stop()
    return sorted(modules - {"", __name__})


def _watch(note: Note) -> Stop:
    """Call `note` with the frame of every Python function that begins in this thread."""
    if sys.version_info >= (3, 12):
        monitoring: Any = sys.monitoring
        tool = next((number for number in _TOOLS if monitoring.get_tool(number) is None), None)
        if tool is not None:
            return _monitor(note, monitoring, tool)
    if sys.getprofile() is None or callable(sys.getprofile()):
        return _hook(note, sys.getprofile(), sys.setprofile)
    # A profiler that is written in C, such as cProfile, cannot be called nor put back.
    return _hook(note, sys.gettrace(), sys.settrace)


def _hook(note: Note, previous: Any, install: Callable[[Any], None]) -> Stop:
    """Watch with a profile or trace function that `install` sets and that also calls `previous`."""

    def hook(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            note(frame)
        return previous(frame, event, argument) if previous is not None else None

    install(hook)
    return lambda: install(previous)


def _monitor(note: Note, monitoring: Any, tool: int) -> Stop:
    """Watch with the monitoring tool number `tool`, beside any other tools."""
    thread = threading.get_ident()

    def began(_code: CodeType, _offset: int) -> None:
        if threading.get_ident() == thread:
            note(sys._getframe(1))

    def stop() -> None:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, monitoring.events.PY_START, None)
        monitoring.free_tool_id(tool)

    monitoring.use_tool_id(tool, "hermpkg")
    monitoring.register_callback(tool, monitoring.events.PY_START, began)
    monitoring.set_events(tool, monitoring.events.PY_START)
    return stop
