"""Canonical JSON is what the standard library writes, by whatever it is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.canonical_json import dumps, writer_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(VALUES)
def test_what_is_written_is_what_an_encoder_writes(value: object) -> None:
    for encoder in (
        json.JSONEncoder(separators=(",", ":")),
        json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
    ):
        assert writer_of(encoder)(value) == encoder.encode(value)


def test_it_is_the_same_where_json_has_no_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
    assert writer_of(encoder)({"b": [1, 2.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5]}'


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), ({1, 2}, TypeError)])
def test_what_json_cannot_hold_is_an_error(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        dumps([value])
