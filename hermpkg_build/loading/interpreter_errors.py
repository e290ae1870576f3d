"""Says what ended the evaluation of a BUILD or .bzl file, in our words and at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hermpkg_build.core.texts import size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LoadingError, Location
from hermpkg_build.loading.allowance import FOR_ANY_MS
from hermpkg_build.loading.interpreter_main import MAX_CALLS, MOST_CPU_S, MOST_MEMORY, MOST_STEPS
from hermpkg_build.loading.interpreter_process import (
    DEPTH,
    GIVEN,
    MEMORY,
    MOST_GIVEN,
    STEPS,
    TIME,
    TIME_OF_ALL,
)
from hermpkg_build.loading.line_marks import MarkedText
from hermpkg_build.loading.prelude import PRELUDE_PATH, Frame, frames_of
from hermpkg_build.loading.starlark_source import StarlarkSource

_ERROR = re.compile(
    r"^error: (?P<message>.*?)(?:\n --> (?P<path>[^\n]*):(?P<line>[0-9]+):(?P<column>[0-9]+)$.*)?\Z",
    re.MULTILINE | re.DOTALL,
)

_TOO_DEEP: Final = "a value is nested too deeply, or holds itself"

_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    MEMORY: (
        "the values of the file take too much memory",
        size_text(MOST_MEMORY),
        "make shorter texts and lists",
    ),
    GIVEN: (
        "what the file declares takes too much memory",
        size_text(MOST_GIVEN),
        "declare less in one package",
    ),
    STEPS: ("the file is evaluated for too long", f"{MOST_STEPS:,} steps", "make loops shorter"),
    TIME: (
        "the file is evaluated for too long",
        f"{MOST_CPU_S} seconds of processor time",
        "make loops, numbers and lists shorter",
    ),
    TIME_OF_ALL: (
        "the BUILD files of the workspace are evaluated for too long",
        f"{MOST_CPU_S} seconds of processor time, and {FOR_ANY_MS} ms for each file and each KiB",
        "make the loops in them shorter, or build less at once",
    ),
}
"""By what there is too much of: the summary, how much there may be, and the next step."""


class TooMuchError(LoadingError):
    """A file takes more time or memory than it may. `ran` are the files that its process had evaluated."""

    ran: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is evaluated: a file, all `sources` that it may call into, and how those were marked, by path."""

    source: StarlarkSource
    sources: Mapping[str, StarlarkSource]
    marked: Mapping[str, MarkedText]


def ended(place: Place, reason: str, line: int) -> LoadingError:
    """Say that the process ended, for `reason`, in the statement at `line` of the file, if that is known."""
    source = place.source
    node = place.marked[source.path].statements.get(line)
    where = Location(source.path) if node is None else node
    if reason == DEPTH:
        return source.error(where, _TOO_DEEP)
    if reason not in _WORDS:
        return source.error(where, "the interpreter gave up", facts=[("reason", reason)])
    summary, most, step = _WORDS[reason]
    error = source.error(where, summary, facts=[("at most", most)], next_step=step)
    return _too_much(error)


def stopped(place: Place, reason: str, text: str) -> TooMuchError:
    """Say that the interpreter was stopped, for `reason`, where its own error `text` says."""
    summary, most, step = _WORDS[reason]
    location, _, frames, _ = _parts(place, text)
    origin = place.sources.get(location.path, place.source)
    # The interpreter tells only the calls that led there.
    facts = [("at most", most), *_called_from([*frames, Frame(location.path, location.line, "")])]
    return _too_much(origin.error(location, summary, facts=facts, next_step=step))


def translated(place: Place, text: str) -> LoadingError:
    """Return the interpreter's error in our words, with the calls that led to it."""
    location, message, frames, in_prelude = _parts(place, text)
    if message.startswith("MemoryError"):
        return stopped(place, MEMORY, text)
    if "call stack overflow" in message:
        message, frames = _overflow(frames, in_prelude=in_prelude)
    message = message.removeprefix("Parse error: ").partition(", expected one of")[0]
    origin = place.sources.get(location.path, place.source)
    width = len(max(re.findall(r"\^+", text), key=len, default="^"))
    return origin.error(location, message, width=width, facts=_called_from(frames))


def _parts(place: Place, text: str) -> tuple[Location, str, Sequence[Frame], bool]:
    """Return the place that the interpreter tells, its message, the calls, and whether the prelude failed."""
    match = _ERROR.search(text)
    frames: Sequence[Frame] = frames_of(text)
    message = match["message"].strip() if match else text
    path = match["path"] if match else None
    location = Location(place.source.path)
    if match and path and path != PRELUDE_PATH:
        line, column = int(match["line"]), int(match["column"])
        known = place.marked.get(path)
        location = Location(path, line, column if known is None else known.column(line, column))
    elif frames:
        location = Location(frames[-1].path, frames[-1].line)
    return location, message, frames, path == PRELUDE_PATH


def _too_much(error: LoadingError) -> TooMuchError:
    return TooMuchError(
        error.summary,
        location=error.location,
        snippet=error.snippet,
        facts=error.facts,
        next_step=error.next_step,
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
        return _TOO_DEEP, frames
    return f"calls are nested more than {MAX_CALLS} deep", frames
