"""JSON that is read quickly is read as `json` reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.quick_json import loads

WRONG = (
    "",
    " ",
    "nul",
    "[1,]",
    '{"a":1}x',
    '"\x01"',
    '"\\x"',
    '{"a" 1}',
    "[1",
    '"open',
    "01",
    "\ufeff1",
    "{1:2}",
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)


@given(values, st.booleans(), st.sampled_from((None, 2)))
def test_it_is_what_json_reads(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for each in (text, f" \n{text}\n\t"):
        assert repr(loads(each)) == repr(json.loads(each))


def test_numbers_that_json_has_not() -> None:
    assert repr(loads("[NaN, -Infinity, 1e400]")) == repr([nan, float("-inf"), float("inf")])


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_json_is_told_as_json_tells_it(text: str) -> None:
    with pytest.raises(ValueError) as expected:  # noqa: PT011 -- any
        json.loads(text)
    script = "import sys; from hermpkg_build.core.quick_json import loads; loads(sys.stdin.read())"
    for read in (loads, lambda text: _alone(script, text)):
        with pytest.raises(ValueError) as told:  # noqa: PT011 -- compared below
            read(text)
        assert str(told.value).endswith(str(expected.value))


def _alone(script: str, text: str) -> None:
    """Read in a process that has not imported `json`."""
    words = [sys.executable, "-X", "utf8", "-c", script]
    done = subprocess.run(words, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    raise ValueError(done.stderr.strip().splitlines()[-1])
