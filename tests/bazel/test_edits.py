"""What edits of BUILD files write is as buildifier writes it, and no edit loses a comment."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.starlark_text import CallText, Written
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import (
    CallPlace,
    add_argument,
    add_entry,
    add_loads,
    add_statement,
    add_values,
    change_patterns,
    insert_rule,
    new_file,
    remove_rules,
    remove_statement,
    remove_values,
    replace_value,
)

_BUILDIFIER = Path(__file__).parent / "node_modules/.bin/buildifier"
_SAMPLE = """\
# License.

load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package", mods = "python_modules")

# All modules.
mods(
    name = "modules",
    srcs = glob(["*.py"]),
)

model_package(
    name = "one",
    models = {"model/model.pkl": ":m"},  # the model
    # What becomes of modules.
    policy = [
        # Own code.
        intern("app.**"),
        intern([
            "b.**",  # b
            # the c
            "c.**",
        ]),  # twice
        # Nothing else.
        deny("**"),
    ],
    requires = {"torch": ">=2"},
    deps = [":modules"],  # mine
)

model_package(
    name = "two",
    policy = [deny("**")],
)

model_package(name = "three")

model_package(
    name = "four",
    policy = [intern([
        "a",
        "b",
    ])],
    deps = [
        ":a",
        "//b",  # c
        # dangling
    ],
)
"""
_INTERN = PolicyRule(policy=Policy.INTERN, include=("x.**",))
_EXTERN = PolicyRule(policy=Policy.EXTERN, include=("y.**", "z.**"), allow_empty=True)
_MOCK = PolicyRule(policy=Policy.MOCK, include=("y.**",), exclude=("y.a", "y.b"))

Edit = Callable[[BuildText], BuildText]


def _edits() -> Iterator[tuple[str, Edit]]:
    for name in ("one", "two", "three", "four"):
        package = CallPlace(function="model_package", name=name)
        for index in (0, 1, 2, 9):
            for rule in (_INTERN, _EXTERN, _MOCK):
                yield (
                    f"rule {rule} at {index} of {name}",
                    partial(insert_rule, place=package, index=index, rule=rule),
                )
        for labels in (["//a"], ["//a", "x", ":modules", "@z//a"]):
            yield f"{labels} of {name}", partial(add_values, place=package, attribute="deps", values=labels)
        yield (
            f"model of {name}",
            partial(add_entry, place=package, attribute="models", key="a/b.pkl", value=":x"),
        )
        for value in ("x.pt", {"a": "b", "c": "d"}, ["a"], ["a", "b"], 3):
            yield f"out {value} of {name}", partial(add_argument, place=package, name="out", value=value)
        yield f"without {name}", partial(remove_statement, place=package)
    one, two, four = (CallPlace(function="model_package", name=name) for name in ("one", "two", "four"))
    modules = CallPlace(function="python_modules", name="modules")
    for gone in ([0], [1], [2], [0, 1], [0, 1, 2]):
        yield f"without rules {gone}", partial(remove_rules, place=one, indices=gone)
    for index, place in ((0, one), (1, one), (2, one), (0, two), (0, four)):
        yield (
            f"patterns {index} of {place}",
            partial(change_patterns, place=place, index=index, add=["bb.**", "a.**"]),
        )
    yield "without a pattern", partial(change_patterns, place=one, index=1, remove=["b.**"])
    yield "a source", partial(add_values, place=modules, attribute="srcs", values=["a/b.py"])
    yield "sources", partial(add_values, place=modules, attribute="srcs", values=["a/b.py", "a.py"])
    yield "without a label", partial(remove_values, place=four, attribute="deps", values=["//b"])
    yield "loads", partial(add_loads, symbols=["mock", "extern"])
    yield "another model", partial(replace_value, place=one, attribute="models", old=":m", new=":other")
    model = CallText(function="model", named={"name": "m", "factory": "a:b", "args": {"b": [1, 2], "a": 1}})
    yield "a target", partial(add_statement, call=model)


def _new() -> BuildText:
    modules = CallText(
        function="python_modules", named={"name": "modules", "srcs": Written('glob(["*.py"])')}
    )
    package = CallText(
        function="model_package",
        named={"name": "p", "policy": [_INTERN, _EXTERN], "requires": {"torch": ">=2", "b": ">1"}},
    )
    return new_file("BUILD", [modules, package])


def _comments(text: str) -> list[str]:
    return sorted(line.partition("#")[2] for line in text.splitlines() if "#" in line)


def test_edits_are_as_buildifier_writes_them(tmp_path: Path) -> None:
    if not _BUILDIFIER.exists():
        pytest.skip("there is no buildifier: make machine installs it")
    sample = BuildText("BUILD", _SAMPLE)
    texts = {"the sample": sample, "a new file": _new()}
    texts |= {name: edit(sample) for name, edit in _edits()}
    for number, text in enumerate(texts.values()):
        (tmp_path / f"{number}.BUILD").write_text(text.text)
    subprocess.run([_BUILDIFIER, "-type=build", *sorted(tmp_path.iterdir())], check=True)
    formatted = {name: (tmp_path / f"{i}.BUILD").read_text() for i, name in enumerate(texts)}
    assert formatted == {name: text.text for name, text in texts.items()}


def test_no_edit_loses_a_comment() -> None:
    sample = BuildText("BUILD", _SAMPLE)
    # What is inside of a thing that is removed goes with it.
    whole = {name: edit for name, edit in _edits() if "without" not in name}
    assert {name: _comments(edit(sample).text) for name, edit in whole.items()} == dict.fromkeys(
        whole, _comments(_SAMPLE)
    )
