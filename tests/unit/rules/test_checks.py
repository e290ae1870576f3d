"""rules/private/forms.bzl and table.bzl, for Bazel, against what the embedded engine asks of attributes."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import starlark
from hypothesis import example, given
from hypothesis import strategies as st

from hermpkg_build.core.attributes import AttributeType, Form
from hermpkg_build.loading.forms import problem_with
from hermpkg_build.loading.rules import POLICY_FUNCTIONS, RULES

PRIVATE = Path(__file__).resolve().parents[3] / "rules" / "private"


def evaluated(name: str) -> Any:
    """A .bzl file of rules/private, with what it loads."""
    dialect = starlark.Dialect.extended()
    loader = starlark.FileLoader(lambda label: evaluated(label.rpartition(":")[2]).freeze())
    module = starlark.Module()
    tree = starlark.parse(name, (PRIVATE / name).read_text(), dialect)
    starlark.eval(module, tree, starlark.Globals.standard(), loader)
    return module


def function(name: str, symbol: str) -> Callable[..., Any]:
    frozen = evaluated(name).freeze()
    return lambda *values: frozen.call(symbol, *values)


SAID_HERE = function("forms.bzl", "problem_with")
FORMS = evaluated("forms.bzl")["FORMS"]
TABLE = evaluated("table.bzl")["TABLE"]
# Bazel sees to these itself, in its own words.
LEFT_TO_BAZEL = {"TARGET_NAME", "VISIBILITY", "FILE", "PATH_GLOB"}


def test_forms_have_the_words_of_the_embedded_engine() -> None:
    assert {form.name for form in Form} == {*FORMS, *LEFT_TO_BAZEL, "POSITIVE"}
    for name, words in FORMS.items():
        assert words == Form[name].value


@pytest.mark.parametrize("function", [*RULES.values(), *POLICY_FUNCTIONS.values()], ids=lambda f: f.name)
def test_rows_are_those_of_the_table(function: Any) -> None:
    rows = TABLE[function.name]
    assert set(rows) == set(function.attributes) - {"visibility"}
    for name, row in rows.items():
        attribute = function.attributes[name]
        form = attribute.form.name if attribute.form else None
        assert AttributeType(row["type"]) is attribute.type, name
        assert row["mandatory"] == attribute.mandatory, name
        assert row["form"] == (None if form in LEFT_TO_BAZEL else form), name
        assert row["key_form"] == (attribute.key_form.name if attribute.key_form else None), name


def test_keywords_are_those_of_python() -> None:
    for word in keyword.kwlist:
        assert SAID_HERE("MODULE", f"a.{word}")


_PARTS = st.sampled_from(
    [
        *("==", "===", "!=", "~=", "<", "<=", ">=", ">", "=", ",", " ", "\t", "\x1e", "\v"),
        *(".*", "*", "**", ".", "..", "/", ":"),
        *("1", "0", "12", "2.4", "3.11", "v", "!", "+", "-", "_", "a", "b", "rc", "r", "rev", "post", "dev"),
        *("alpha", "beta", "pre", "preview", "c", ";", ")", "x", "A", "$"),
        *("\\", "\n", "\x00", "\x1b", "\x7f", "'", '"'),
        *("\\", "\n", "\x00", "\x1b", "\x7f", "'", '"'),
        *(".data", "byteorder", "class", "None", "auto", "models", "torch"),
    ]
)  # fmt: skip
_TEXTS = st.lists(_PARTS, max_size=8).map("".join)


@pytest.mark.parametrize("form", sorted(FORMS))
@given(text=_TEXTS)
def test_what_is_wrong_is_said_in_the_same_words(form: str, text: str) -> None:
    assert SAID_HERE(form, text) == problem_with(Form[form], text)


@given(
    operator=st.sampled_from(["==", "!=", "~=", "<", ">=", "==="]),
    parts=st.lists(
        st.sampled_from(
            ["1", ".2", "!", ".*", "a", "-a1", "rc_2", "-1", ".post3", "r", "-rev", ".dev", "dev4", "+l.1"]
        ),
        max_size=6,
    ),
)
@example(operator="~=", parts=["1"])
@example(operator="==", parts=["1", "+l.1", "+l.1"])
def test_version_specifiers_are_those_of_packaging(operator: str, parts: list[str]) -> None:
    text = operator + "".join(parts)
    assert SAID_HERE("SPECIFIER", text) == problem_with(Form.SPECIFIER, text)


@pytest.mark.parametrize("form", sorted(FORMS))
@given(text=st.text(max_size=8))
@example(text="\x1f")
@example(text=">=1,\x0b")
@example(text="Ġ")
def test_nothing_is_refused_that_the_engine_takes(form: str, text: str) -> None:
    """Bazel shows UTF-8 as Latin-1, and what then cannot be told is left to the actions."""
    if problem_with(Form[form], text) == "":
        assert SAID_HERE(form, text) == ""
        assert SAID_HERE(form, text.encode("utf-8", "surrogatepass").decode("latin-1")) == ""
