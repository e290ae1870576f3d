"""The rebuilder: results by inputs, and inputs that were only discovered while an action ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.rebuilder import CachingRebuilder
from hermpkg_build.store.action_cache import ActionCache, ActionResult


@pytest.fixture
def rebuilder(tmp_path: Path) -> CachingRebuilder:
    return CachingRebuilder(ActionCache(str(tmp_path)))


def action(**inputs: str) -> Action:
    return Action(kind="make-model", version=1, subject="//a:b", inputs=inputs)


def result(name: str) -> ActionResult:
    return ActionResult(outputs={"pickle": Digest.of(name.encode())}, facts={"name": name})


def states(files: Mapping[str, str]) -> Callable[[str], str | None]:
    return files.get


def test_what_was_recorded_is_recalled(rebuilder: CachingRebuilder) -> None:
    assert rebuilder.recall(action(seed="1")) is None
    rebuilder.record(action(seed="1"), result("one"))
    recalled = rebuilder.recall(action(seed="1"))
    assert recalled is not None
    assert recalled[1] == result("one")
    assert rebuilder.recall(action(seed="2")) is None


def test_discovered_inputs_are_judged_as_they_are_now(rebuilder: CachingRebuilder) -> None:
    rebuilder.record(action(), result("first"), {"a.py": "1", "b.py": "1"})
    recalled = rebuilder.recall(action(), states({"a.py": "1", "b.py": "1", "other.py": "9"}))
    assert recalled is not None
    complete, found = recalled
    assert found == result("first")
    assert complete.inputs == {"a.py": "1", "b.py": "1"}
    assert rebuilder.recall(action(), states({"a.py": "2", "b.py": "1"})) is None


def test_a_discovered_input_that_is_gone_is_a_change(rebuilder: CachingRebuilder) -> None:
    rebuilder.record(action(), result("first"), {"a.py": "1"})
    assert rebuilder.recall(action(), states({})) is None


def test_going_back_to_an_earlier_state_recalls_its_result(rebuilder: CachingRebuilder) -> None:
    rebuilder.record(action(), result("first"), {"a.py": "1"})
    rebuilder.record(action(), result("second"), {"a.py": "2", "b.py": "1"})
    for files, expected in (({"a.py": "1"}, "first"), ({"a.py": "2", "b.py": "1"}, "second")):
        recalled = rebuilder.recall(action(), states(files))
        assert recalled is not None
        assert recalled[1] == result(expected)


def test_traces_do_not_pile_up_without_end(rebuilder: CachingRebuilder) -> None:
    for number in range(20):
        rebuilder.record(action(), result(str(number)), {f"{number}.py": "1"})
    assert rebuilder.recall(action(), states({"0.py": "1"})) is None
    assert rebuilder.recall(action(), states({"19.py": "1"})) is not None
