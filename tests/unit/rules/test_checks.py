"""What rules/private/checks.bzl, for Bazel, says of values, against what the embedded engine says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import starlark
from hypothesis import example, given
from hypothesis import strategies as st

from hermpkg_build.core.attributes import Attribute, AttributeType
from hermpkg_build.loading.attribute_values import convert
from hermpkg_build.loading.binding import problem_sentence
from hermpkg_build.loading.rules import RULES, Function

PRIVATE = Path(__file__).resolve().parents[3] / "rules" / "private"
GLOBALS = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
PREFIX = "x() attribute x"


CALL = """
load("checks.bzl", "check", "problems_with")
load("table.bzl", "RULES")

def check_call(rule, values):
    check(rule, RULES[rule], values)
"""


def evaluated(name: str, text: str) -> starlark.Module:
    """A .bzl file with a text, with what it loads of rules/private."""
    loader = starlark.FileLoader(lambda name: evaluated(name, (PRIVATE / name).read_text()).freeze())
    module = starlark.Module()
    starlark.eval(module, starlark.parse(name, text, starlark.Dialect.extended()), GLOBALS, loader)
    return module


CHECK_CALL = evaluated("call.bzl", CALL).freeze()


def literal(value: object) -> str:
    """A value as one writes it in Starlark: a call from Python would take no integer for a key."""
    if isinstance(value, float):
        return f'float("{value}")'
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    return repr(value)


def said_here(kind: AttributeType, value: object) -> list[str]:
    module = evaluated("x.bzl", f'{CALL}\nfound = problems_with("{kind.value}", {literal(value)})')
    return [PREFIX + problem for problem in module["found"]]


def said_there(kind: AttributeType, value: object) -> list[str]:
    attribute = Attribute(name="x", type=kind, doc="", suffixes=("",))
    function = Function(name="x", doc="", attributes={"x": attribute})
    _, problems = convert(attribute, value, "")
    return [
        problem_sentence(function, attribute, problem)
        + (f"\n  -> {problem.next_step}" if problem.next_step else "")
        for problem in problems
    ]


# No text here can be wrong but for its type: what texts must look like is none of Bazel's business.
_TEXTS = st.sampled_from(["a", "b", "c d"])
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(), _TEXTS)
_KEYS = st.one_of(st.integers(-9, 9), _TEXTS)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3)
)


@pytest.mark.parametrize("kind", AttributeType)
@given(value=_VALUES.filter(lambda value: value is not None))
@example(value=[None])
@example(value=["a", 1, "b"])
@example(value={"a": "b", 1: 2})
@example(value={"a": {"b": [{2: float("nan")}, float("-inf")]}})
@example(
    value={"a": 1 << 4095, "b": (1 << 4096) - 1, "c": 1 << 4096, "d": -(1 << 4096), "e": 1 - (1 << 4096)}
)
def test_types_are_refused_in_the_same_words(kind: AttributeType, value: Any) -> None:
    there = said_there(kind, value)
    if kind is AttributeType.INTEGER and isinstance(value, int) and not isinstance(value, bool):
        there = []
    if kind is AttributeType.JSON_DICT:
        there = [text for text in there if not text.endswith("cannot be the name of an argument")]
    if kind in (AttributeType.LABELS, AttributeType.LABEL_DICT):
        there = [text for text in there if not text.endswith("is there twice")]
    assert sorted(said_here(kind, value)) == sorted(there)


def values_of(rule: str, **given: object) -> dict[str, object]:
    return dict.fromkeys(RULES[rule].attributes) | given


def refused(rule: str, **given: object) -> list[str]:
    with pytest.raises(starlark.StarlarkError) as caught:
        CHECK_CALL.call("check_call", rule, values_of(rule, **given))
    text = str(caught.value)
    return [line.removeprefix("error: fail: ") for line in text.splitlines() if f"{rule}()" in line]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refused("model", name="a", seed="x", deps=[1], tags=["a", "b c"]) == [
        "model() attribute factory: expected a string, got None",
        "model() attribute seed: expected an integer, got string",
        "model() attribute deps[0]: expected a label, got int",
        "model() attribute tags[1]: 'b c' has a blank",
    ]


def test_an_empty_text_is_not_taken_for_none() -> None:
    assert refused("model_package", name="a", out="") == ["model_package() attribute out: '' is empty"]


def test_what_is_right_passes() -> None:
    given = {
        "name": "a",
        "factory": "no module: is Bazel's business",
        "tags": ["a"],
        "args": {"x": [1, None]},
    }
    assert CHECK_CALL.call("check_call", "model", values_of("model", **given)) is None
