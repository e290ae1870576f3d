"""What took how long in a build, in the trace-event format that viewers such as Perfetto open."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from hermpkg_build.cli.events import Event, OutputFile
from hermpkg_build.printable import strict_json

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

_ENDS = {"phase_finished", "action_finished", "action_failed", "transfer_ended"}
_MOMENTS = {"target_finished", "target_failed", "test_finished", "warning", "cache_pruned"}


class ProfileFile(OutputFile):
    """A file with a span for each phase, action and transfer, on the row of its thread.

    Results that a cache had, warnings and finished targets are marks. The file is an array that viewers also
    read where it is cut off.
    """

    _started = False
    _threads: frozenset[int] = frozenset()

    def take(self, event: Event) -> None:
        """Write what the event ends, or a mark."""
        if not self._started:
            self._started = True
            self.write("[\n")
            self._write({"name": "process_name", "ph": "M", "args": {"name": "hermpkg"}}, event, last="")
        if event.thread not in self._threads:
            self._threads |= {event.thread}
            self._write({"name": "thread_name", "ph": "M", "args": {"name": event.thread_name}}, event)
        if event.name in _ENDS and event.fields.get("seconds") is not None:
            self._write(_span(event), event)
        elif event.name in _MOMENTS:
            self._write({**_named(event), "ph": "i", "s": "t", "ts": _micro(event.at)}, event)
        elif event.name == "build_finished":
            whole: dict[str, Json] = {"name": "build", "cat": "build", "args": dict(event.fields)}
            self._write({**whole, "ph": "X", "ts": 0, "dur": _micro(event.at)}, event)
            self.write("\n]\n")

    def _write(self, record: dict[str, Json], event: Event, *, last: str = ",\n") -> None:
        text = json.dumps({**record, "pid": os.getpid(), "tid": event.thread % 2**31})
        self.write(last + strict_json(text))


def _span(event: Event) -> dict[str, Json]:
    seconds = event.fields["seconds"]
    assert isinstance(seconds, float)
    begin = max(0.0, event.at - seconds)
    return {**_named(event), "ph": "X", "ts": _micro(begin), "dur": _micro(event.at) - _micro(begin)}


def _named(event: Event) -> dict[str, Json]:
    """Return the name, the category and the arguments of a record."""
    fields = event.fields
    kind = str(fields.get("kind", fields.get("direction", event.name)))
    subject = str(fields.get("subject", fields.get("label", fields.get("text", ""))))
    return {"name": f"{kind} {subject}".rstrip(), "cat": kind, "args": dict(fields)}


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
