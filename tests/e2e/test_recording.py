"""What a build does is written down for other programs: events as they happen, a profile for viewers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hermpkg_build.cli.events import EVENTS

if TYPE_CHECKING:
    from conftest import Workspace

NUMBER = (int, float)
TRACE_EVENT: dict[str, dict[str, Any]] = {
    # The required fields of the trace-event format, by the phase of an event.
    "X": {"name": str, "cat": str, "ts": NUMBER, "dur": NUMBER, "pid": int, "tid": int, "args": dict},
    "i": {"name": str, "cat": str, "ts": NUMBER, "s": str, "pid": int, "tid": int, "args": dict},
    "M": {"name": str, "pid": int, "tid": int, "args": dict},
}


@pytest.fixture
def tested(app: Workspace) -> Workspace:
    """The app with a test that passes and one that fails."""
    app.write("app/good_test.py", "")
    app.write("app/bad_test.py", "raise SystemExit('broken')\n")
    rule = 'package_test(name = "{0}_test", package = ":app", main = "{0}_test.py")\n'
    build = app.root / "app/BUILD"
    build.write_text(build.read_text() + rule.format("good") + rule.format("bad"))
    return app


def events_of(path: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        assert event.keys() == {"event", "at", *EVENTS[event["event"]]}, event
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert events[0]["event"] == "build_started"
    assert events[-1]["event"] == "build_finished"
    return events


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_a_build_and_its_tests_as_events(tested: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "events.jsonl"
    outcome = tested.run("--json", "test", "//...", "--events", str(file))
    events = events_of(file)
    assert (outcome.code, events[-1]["exit_code"]) == (3, 3)
    assert {test["label"] for test in outcome.json["tests"]} == {"//app:bad_test", "//app:good_test"}
    tests = {event["label"]: event for event in named(events, "test_finished")}
    for test in outcome.json["tests"]:
        assert {**tests[test["label"]], "event": 0, "at": 0} == {**test, "event": 0, "at": 0}
    (planned,) = named(events, "steps_planned")
    assert planned["steps"] == 3, "an artifact and two tests"
    assert named(events, "step_finished")[-1]["finished"] == 3
    (target,) = named(events, "target_finished")
    assert target["sha256"] in {each["sha256"] for each in outcome.json["targets"] if each["path"]}
    started = {(event["kind"], event["subject"]) for event in named(events, "action_started")}
    ended = {
        (event["kind"], event["subject"])
        for event in named(events, "action_finished")
        if event["seconds"] is not None
    }
    assert started == ended


def test_a_build_of_nothing_new_and_one_that_fails(tested: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    tested.build("//app", "--events", str(file))
    tested.build("//app", "--events", str(file))
    assert [event["event"] for event in events_of(file)] == [
        "build_started",
        "target_finished",
        "build_finished",
    ]
    tested.write("app/helpers.py", "def (\n")
    assert tested.run("//app", "--events", str(file)).code == 1
    events = events_of(file)
    (failed,) = named(events, "target_failed")
    assert failed["label"] == "//app:app"
    assert "helpers.py" in json.dumps(failed["error"])
    assert events[-1]["exit_code"] == 1


def test_a_profile_has_the_form_of_trace_events(tested: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    assert tested.run("test", "//...", "--profile", str(file)).code == 3
    records = json.loads(file.read_text())
    for record in records:
        for field, kind in TRACE_EVENT[record["ph"]].items():
            assert isinstance(record[field], kind), (field, record)
    spans = {record["name"]: record for record in records if record["ph"] == "X"}
    whole = spans["build"]
    for name in ("load BUILD files", "resolve //app:app", "assemble //app:app", "test //app:good_test"):
        assert 0 <= spans[name]["ts"] <= spans[name]["ts"] + spans[name]["dur"] <= whole["dur"], name
    assert len({record["tid"] for record in records if record["name"] == "thread_name"}) == len(
        {record["tid"] for record in records}
    )


def test_files_that_cannot_be_written(tested: Workspace, tmp_path: Path) -> None:
    wrong = tested.run("//app", "--events", str(tested.root))
    assert wrong.code == 2
    assert f"cannot write {tested.root}" in wrong.stderr
    full = tested.run("//app", "--events", "/dev/full")
    assert full.code == 0
    assert full.stderr.count("/dev/full is not whole") == 1


def test_lines_come_as_things_happen(tested: Workspace) -> None:
    outcome = tested.run("test", "//app:good_test", "//app:bad_test", "--jobs", "1")
    assert outcome.stdout.index("//app:app  built") < outcome.stdout.index("//app:good_test  passed")
    assert "broken" in outcome.stderr
