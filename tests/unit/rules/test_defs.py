"""rules/defs.bzl, for Bazel, against the table of rules of the embedded engine."""

from __future__ import annotations

import ast
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from hermpkg_build.loading.rules import DEFS_SYMBOLS, POLICY_FUNCTIONS, RULES, Function

RULES_FOLDER = Path(__file__).resolve().parents[3] / "rules"
# What both languages share of their grammar is all that these files use.
DEFS = {
    node.name: node
    for node in ast.parse((RULES_FOLDER / "defs.bzl").read_text()).body
    if isinstance(node, ast.FunctionDef)
}
FUNCTIONS = {**RULES, **POLICY_FUNCTIONS}


def test_what_can_be_loaded_is_the_same() -> None:
    assert {name for name in DEFS if not name.startswith("_")} == set(DEFS_SYMBOLS)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_parameters_and_defaults_are_those_of_the_table(function: Function) -> None:
    arguments = DEFS[function.name].args
    optional = len(arguments.args) - len(arguments.defaults)
    others = [arguments.posonlyargs, arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    assert not any(others)
    assert [a.arg for a in arguments.args] == list(function.attributes)
    for index, attribute in enumerate(function.attributes.values()):
        assert (index < optional) == attribute.mandatory, attribute.name
        if index >= optional:
            default = ast.literal_eval(arguments.defaults[index - optional])
            assert default == attribute.default, attribute.name
            assert type(default) is type(attribute.default), attribute.name


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_words_are_those_of_the_table(function: Function) -> None:
    text = ast.get_docstring(DEFS[function.name])
    assert text is not None
    summary, _, rest = text.partition("\n\nArgs:\n")
    described = {
        name: " ".join(words.split())
        for name, words in re.findall(r"^  (\w+): ((?:.|\n    )+)", rest, re.MULTILINE)
    }
    assert summary == function.doc
    assert described == {name: attribute.doc for name, attribute in function.attributes.items()}


def test_what_is_made_from_the_table_is_what_would_be_made_now() -> None:
    spec = spec_from_file_location("make_defs", RULES_FOLDER / "make_defs.py")
    assert spec
    assert spec.loader
    make_defs = module_from_spec(spec)
    spec.loader.exec_module(make_defs)
    for path, text in make_defs.files().items():
        assert path.read_text(encoding="utf-8") == text, "run python rules/make_defs.py"
