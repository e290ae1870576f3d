"""Actions: equal digests for equal inputs, and a reason for every difference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.engine.action import Action, reasons_to_run


def action(**inputs: str) -> Action:
    return Action(kind="assemble", version=1, subject="//a:b", inputs=inputs)


def test_the_subject_takes_no_part_in_the_digest() -> None:
    one = Action(kind="k", version=1, subject="//a:b", inputs={"x": "1"})
    other = Action(kind="k", version=1, subject="//c:d", inputs={"x": "1"})
    assert one.key == other.key


def test_kind_version_and_inputs_do() -> None:
    base = Action(kind="k", version=1, subject="s", inputs={"x": "1"})
    others = [
        Action(kind="l", version=1, subject="s", inputs={"x": "1"}),
        Action(kind="k", version=2, subject="s", inputs={"x": "1"}),
        Action(kind="k", version=1, subject="s", inputs={"x": "2"}),
        Action(kind="k", version=1, subject="s", inputs={"y": "1"}),
    ]
    assert len({base.key, *(other.key for other in others)}) == 5


def test_short_values_are_shown_and_long_ones_are_not() -> None:
    before = {"seed": "1", "models/a.py": "0" * 64, "gone": "x"}
    now = {"seed": "2", "models/a.py": "1" * 64, "new": "y"}
    assert reasons_to_run(before, now) == (
        "gone removed",
        "models/a.py changed",
        "new added",
        "seed changed from 1 to 2",
    )


def test_a_file_that_is_called_as_an_attribute_is_another_input() -> None:
    """Neither stands for the other, in whichever order they change."""
    keys = {
        Action(kind="k", version=1, subject="s", inputs={"seed": seed}).with_inputs({"seed": file}).key
        for seed in ("0", "1")
        for file in ("a" * 64, "b" * 64)
    }
    assert len(keys) == 4


def test_a_first_build_has_its_own_reason() -> None:
    assert reasons_to_run(None, {"a": "1"}) == ("not built before",)


INPUTS = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=4)


@given(INPUTS, INPUTS)
def test_there_are_reasons_exactly_when_the_digests_differ(
    before: dict[str, str], now: dict[str, str]
) -> None:
    assert (action().with_inputs(before).key == action().with_inputs(now).key) == (
        not reasons_to_run(before, now)
    )
