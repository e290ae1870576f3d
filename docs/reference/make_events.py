"""Writes events.md from the table of events.

Run as ``python docs/reference/make_events.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

from pathlib import Path

from hermpkg_build.cli.events import EVENTS

PAGE = Path(__file__).with_name("events.md")

_HEAD = """\
# Events

`--events FILE` of `hermpkg build`, `test` and `watch` writes what happens as it happens: a line for each
event, which is a JSON object with the fields `event`, its name, and `at`, the seconds since the build
began, and those below. Lines are written whole. Later versions may add events and fields.

    hermpkg test //... --events /tmp/events.jsonl
    tail -f /tmp/events.jsonl | jq -c 'select(.event == "test_finished") | {label, status}'

The first event is `build_started`, the last `build_finished`; `hermpkg watch` writes one build after the
other, until it is ended. Where nothing has changed since the last
build there are only the targets between them. Several actions run at once: those that begin and end are
told apart by `kind` and `subject`.

| event | fields |
|---|---|
"""

_TAIL = """
## The profile

`--profile FILE` writes the same as spans in the [trace-event format][format], the JSON array form: open
the file with <https://ui.perfetto.dev> or `chrome://tracing`. Each phase, action and transfer is a
complete event (`ph` is `X`) on the row of the thread that did it, with the fields of the event in `args`;
finished targets, tests and warnings are instant events (`i`), and the span `build` is the whole. A file
that was cut off can still be read.

[format]: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""


def page() -> str:
    """The page as it should be."""
    rows = []
    for name, fields in EVENTS.items():
        told = "; ".join(f"`{field}`: {meaning}" for field, meaning in fields.items())
        rows.append(f"| `{name}` | {told} |\n")
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
