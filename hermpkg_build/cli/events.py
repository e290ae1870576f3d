"""What happens in a build as events: JSON objects, each with its name, its time and fields of its own.

The page docs/reference/events.md says which there are; `EVENTS` is its table.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from hermpkg_build.cli.console import error_json
from hermpkg_build.core.closing import Closing
from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError
from hermpkg_build.printable import strict_json
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.engine.durations import Durations
    from hermpkg_build.engine.results import BuildRequest, TargetResult
    from hermpkg_build.engine.test_results import PackageTestResult

EVENTS: Mapping[str, Mapping[str, str]] = {
    "build_started": {
        "version": "of hermpkg",
        "time": "seconds since 1970",
        "directory": "where the command runs",
        "patterns": "what it is to build",
        "jobs": "how many actions run at once",
    },
    "steps_planned": {"steps": "how many models, artifacts and tests there are"},
    "step_finished": {"finished": "how many of them are done"},
    "phase_started": {"kind": "`load` or `resolve`", "subject": "what it is about"},
    "phase_finished": {"kind": "as above", "subject": "as above", "seconds": "how long it took"},
    "action_started": {
        "kind": "`make-model`, `assemble` or `test`",
        "subject": "the label of its target",
    },
    "action_finished": {
        "kind": "as above, or `analyse`",
        "subject": "as above; of `analyse`, a module's name",
        "cached": "whether a cache had its result; then it was not started",
        "where": 'the server that ran it, "" for this machine',
        "seconds": "how long it took, null where it was not started",
    },
    "action_failed": {"kind": "as above", "subject": "as above", "seconds": "how long it took"},
    "target_finished": {
        "label": "of a `model_package`, or of what was asked for",
        "path": "of its artifact, relative to the workspace",
        "sha256": "in hexadecimal",
        "bytes": "its size",
        "status": "`built`, `cached` or `up-to-date`",
        "reasons": "why it was built again",
    },
    "target_failed": {"label": "of a target that could not be built", "error": "as `--json` gives it"},
    "test_finished": {
        "label": "of a `package_test`",
        "status": "`passed` or `failed`",
        "cached": "whether it passed before with the same inputs",
        "seconds": "how long it ran",
        "attempts": "how often it was tried",
        "runs": "how often it was run",
        "failed_runs": "how often it failed at last",
        "flaky": "whether some attempts failed and some did not",
        "failure": "null, or the error as `--json` gives it",
    },
    "transfer_started": {"direction": "`fetch` or `upload`", "subject": "what goes to or from the server"},
    "transfer_ended": {
        "direction": "as above",
        "subject": "as above",
        "bytes": "that were of use",
        "seconds": "how long it took",
    },
    "uploads_awaited": {"number": "of uploads that the end of the build waits for"},
    "cache_pruned": {"entries": "of the cache that went", "bytes": "that they took"},
    "note": {"text": "that is no reason to worry"},
    "warning": {"text": "in one or more lines"},
    "build_finished": {"exit_code": "of the command", "seconds": "how long it took"},
}
"""The fields of each event beside `event` and `at`, and what they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, `at` seconds after the build began, in the thread of this number and name."""

    name: str
    at: float
    thread: int
    thread_name: str
    fields: Mapping[str, Json]


class Sink(Protocol):
    """Takes events, one at a time."""

    def take(self, event: Event) -> None:
        """Keep an event."""
        ...


def test_json(result: PackageTestResult) -> dict[str, Json]:
    """Return how a test went as the fields that ``--json`` and events have."""
    return {
        "label": result.label,
        "status": result.status,
        "cached": result.cached,
        "seconds": round(result.seconds, 3),
        "attempts": result.attempts,
        "runs": result.runs,
        "failed_runs": result.failed_runs,
        "flaky": result.is_flaky,
        "failure": None if result.failure is None else error_json(result.failure),
    }


class Recorder(BuildObserver):
    """An observer that makes an event of everything, and gives it to sinks."""

    notes_times: bool = True

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._began = time.perf_counter()
        self._open: list[tuple[str, str, int, float]] = []
        self._finished = 0
        self._a_test_failed = False

    @contextmanager
    def build(self, request: BuildRequest) -> Iterator[None]:
        """A context that is the build: its begin and its end are events too."""
        self._tell(
            "build_started",
            version=__version__,
            time=round(time.time(), 3),
            directory=request.directory,
            patterns=list(request.patterns),
            jobs=request.jobs,
        )
        code = ExitCode.INTERNAL
        try:
            yield
            code = ExitCode.TESTS_FAILED if self._a_test_failed else ExitCode.SUCCESS
        except HermpkgError as error:
            code = error.exit_code
            raise
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
            raise
        finally:
            seconds = round(time.perf_counter() - self._began, 3)
            self._tell("build_finished", exit_code=int(code), seconds=seconds)

    def steps_planned(self, steps: int, jobs: int, expected: Durations) -> None:  # noqa: ARG002
        """See `BuildObserver`."""
        self._tell("steps_planned", steps=steps)

    def step_finished(self) -> None:
        """See `BuildObserver`."""
        self._finished += 1
        self._tell("step_finished", finished=self._finished)

    def phase_started(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        self._begin(kind, subject)
        self._tell("phase_started", kind=kind, subject=subject)

    def phase_finished(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        self._tell("phase_finished", kind=kind, subject=subject, seconds=self._end(kind, subject))

    def action_started(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        self._begin(kind, subject)
        self._tell("action_started", kind=kind, subject=subject)

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """See `BuildObserver`."""
        seconds = None if cached else self._end(kind, subject)
        self._tell("action_finished", kind=kind, subject=subject, cached=cached, where=where, seconds=seconds)

    def action_failed(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        self._tell("action_failed", kind=kind, subject=subject, seconds=self._end(kind, subject))

    def target_finished(self, result: TargetResult) -> None:
        """See `BuildObserver`."""
        from dataclasses import asdict

        self._tell("target_finished", **{**asdict(result), "reasons": list(result.reasons)})

    def target_failed(self, label: str, error: HermpkgError) -> None:
        """See `BuildObserver`."""
        self._tell("target_failed", label=label, error=error_json(error))

    def test_finished(self, result: PackageTestResult) -> None:
        """See `BuildObserver`."""
        self._a_test_failed |= result.status == "failed"
        self._tell("test_finished", **test_json(result))

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """See `BuildObserver`."""
        self._begin(direction, subject)
        self._tell("transfer_started", direction=direction, subject=subject)

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """See `BuildObserver`."""
        seconds = self._end(direction, subject)
        self._tell("transfer_ended", direction=direction, subject=subject, bytes=size, seconds=seconds)

    def uploads_awaited(self, number: int) -> None:
        """See `BuildObserver`."""
        self._tell("uploads_awaited", number=number)

    def cache_pruned(self, entries: int, size: int) -> None:
        """See `BuildObserver`."""
        self._tell("cache_pruned", entries=entries, bytes=size)

    def note(self, text: str) -> None:
        """See `BuildObserver`."""
        self._tell("note", text=text)

    def warning(self, text: str) -> None:
        """See `BuildObserver`."""
        self._tell("warning", text=text)

    def _begin(self, kind: str, subject: str) -> None:
        self._open.append((kind, subject, threading.get_ident(), time.perf_counter()))

    def _end(self, kind: str, subject: str) -> float | None:
        """Return how long what began in this thread took, or else the first of its name; None for none."""
        found = [each for each in self._open if each[:2] == (kind, subject)]
        found.sort(key=lambda each: each[2] != threading.get_ident())
        if not found:
            return None
        self._open.remove(found[0])
        return round(time.perf_counter() - found[0][3], 6)

    def _tell(self, name: str, **fields: Any) -> None:
        thread = threading.current_thread()
        event = Event(
            name=name,
            at=round(time.perf_counter() - self._began, 6),
            thread=threading.get_ident(),
            thread_name=thread.name,
            fields=fields,
        )
        for sink in self._sinks:
            sink.take(event)


class OutputFile(Closing):
    """A file that a build writes as it goes, which must not end the build where it cannot be written.

    Raises CommandLineError where it cannot be opened; later failures are told by `warn`, once.
    """

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._file: IO[str] | None = None
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        except OSError as error:
            raise CommandLineError(
                f"cannot write {path}", facts=[("reason", error.strerror or str(error))]
            ) from error

    def write(self, text: str) -> None:
        """Write some lines, so that others can read them at once."""
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        self._warn(f"{self._path} is not whole: {error.strerror or error}")


class EventFile(OutputFile):
    """A file with a JSON object a line for each event."""

    def take(self, event: Event) -> None:
        """Write the event."""
        self.write(strict_json(json.dumps({"event": event.name, "at": event.at, **event.fields})) + "\n")
