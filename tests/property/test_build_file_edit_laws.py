"""Edits of a policy in the text of a BUILD file do what the same edits of its rules do, and keep comments."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.analysis.policy_plan import ExtendRule, InsertRule, RemoveRule, applied
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import CallPlace
from hermpkg_build.generate.fixing.policies import edited

_PLACE = CallPlace(function="model_package", name="p")
_PATTERNS = st.lists(
    st.sampled_from(["a", "a.**", "b.c", "größe.**", "**"]), min_size=1, max_size=3, unique=True
)
_RULES = st.builds(
    lambda policy, include, allow_empty: PolicyRule(
        policy=policy, include=tuple(include), allow_empty=allow_empty
    ),
    st.sampled_from(Policy),
    _PATTERNS,
    st.booleans(),
)


@st.composite
def _written(draw: st.DrawFn) -> tuple[list[PolicyRule], str]:
    """Rules, and a BUILD file that has them in some layout, with comments."""
    rules = draw(st.lists(_RULES, max_size=4))
    numbers = iter(range(100))

    def comment() -> str:
        return f"# {next(numbers)}" if draw(st.booleans()) else ""

    if draw(st.booleans()):
        policy = f"[{', '.join(map(str, rules))}{draw(st.sampled_from(['', ','])) if rules else ''}]"
    else:
        lines = []
        for rule in rules:
            above, blanks = comment(), " " * draw(st.integers(0, 9))
            text = str(rule).replace(", ", draw(st.sampled_from([", ", ",", ",\n  "])))
            lines += [f"  {above}"] * bool(above) + [f"{blanks}{text},  {comment()}"]
        policy = "\n".join([f"[ {comment()}", *lines, f"  {comment()}", "   ]"])
    before = draw(st.sampled_from(["", "# first\n\n", 'load("@hermpkg//rules:defs.bzl", "deny")\n']))
    return rules, f'{before}model_package(name = "p", policy = {policy}, deps = [])\n'


@st.composite
def _edits(draw: st.DrawFn, count: int) -> list[object]:
    found: list[object] = [
        InsertRule(index=index, rule=draw(_RULES))
        for index in draw(st.lists(st.integers(0, count), max_size=3))
    ]
    for index in range(count):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            found.append(RemoveRule(index=index))
        elif kind == 1:
            found.append(ExtendRule(index=index, patterns=tuple(draw(_PATTERNS))))
    return found


def _rules_in(file: BuildText) -> list[PolicyRule]:
    policy = _PLACE.argument(file, "policy")
    assert isinstance(policy, ast.List)
    return [
        PolicyRule(
            policy=Policy(call.func.id),
            include=(value,) if isinstance(value := ast.literal_eval(call.args[0]), str) else tuple(value),
            allow_empty=bool(call.keywords),
        )
        for call in policy.elts
    ]


def _comments(text: str) -> list[str]:
    return sorted(line.partition("#")[2].strip() for line in text.splitlines() if "#" in line)


def _alike(rules: list[PolicyRule]) -> list[PolicyRule]:
    """Rules whatever the order of their patterns."""
    return [
        PolicyRule(policy=r.policy, include=tuple(sorted(r.include)), allow_empty=r.allow_empty)
        for r in rules
    ]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_edits_of_the_text_are_those_of_the_rules(data: st.DataObject) -> None:
    rules, text = data.draw(_written())
    edits = data.draw(_edits(len(rules)))
    file = edited(BuildText("BUILD", text), _PLACE, edits, len(rules))
    assert _alike(_rules_in(file)) == _alike(applied(rules, edits))
    assert {*_comments(text)} <= {*_comments(file.text)}
    assert edited(file, _PLACE, [], len(_rules_in(file))).text == file.text
