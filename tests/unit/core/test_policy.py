"""Patterns over module names, and the rule that decides."""

from __future__ import annotations

import pytest

from hermpkg_build.core.globs import GlobGroup, covers
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable


def rule(policy: str, *include: str, **options: object) -> PolicyRule:
    return PolicyRule(policy=Policy(policy), include=include, **options)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("torch.**", ["torch", "torch.nn", "torch.nn.functional"], ["torchvision", "a.torch"]),
        ("torch.*", ["torch.nn"], ["torch", "torch.nn.functional"]),
        ("torch*.**", ["torch", "torchvision", "torchvision.a.b"], ["mytorch"]),
        ("**", ["a", "a.b.c"], []),
        ("**.mod", ["mod", "a.mod", "a.b.mod"], ["a.mods", "mod.a"]),
        ("a.**.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "z", "a.b"]),
        ("a.**.**.z", ["a.z", "a.b.z"], ["a.b"]),
        ("a?[b]", ["a?[b]"], ["axb"]),
    ],
)
def test_globs_over_names(pattern, yes, no):
    group = GlobGroup(pattern)
    assert [name for name in yes if not group.matches(name)] == []
    assert [name for name in no if group.matches(name)] == []


def test_exclude_and_separator():
    group = GlobGroup(["a.**", "b"], exclude=["a.x.**", "a.*.y"])
    assert [name for name in ("a", "a.x", "a.x.z", "a.q.y", "a.q.z", "b", "c") if group.matches(name)] == [
        "a",
        "a.q.z",
        "b",
    ]
    assert GlobGroup("a/**/*.py", separator="/").matches("a/b.c/d.py")
    assert not GlobGroup([]).matches("a")


def test_a_double_star_is_a_whole_segment():
    with pytest.raises(ValueError, match="whole segment"):
        GlobGroup("a**.b")


def test_first_rule_decides_with_excludes():
    table = PolicyTable(
        [rule("intern", "a.**", exclude=("a.b.**",)), rule("extern", "a.*"), rule("deny", "**")]
    )
    decided = {name: table.decide(name) for name in ("a", "a.b", "a.b.c", "a.c.d", "z")}
    assert decided == {"a": 0, "a.b": 1, "a.b.c": 2, "a.c.d": 0, "z": 2}


def test_implicit_externs_are_reached_only_by_rules_that_name_them():
    table = PolicyTable([rule("deny", "*"), rule("deny", "**.path"), rule("deny", "os.path", "**")])
    assert table.decide("os", implicit_extern=True) is None
    assert table.decide("os.path", implicit_extern=True) == 2
    assert table.decide("os") == 0
    assert table.reaches(2, "os.path", implicit_extern=True)
    assert not table.reaches(2, "os", implicit_extern=True)


def test_covered_by():
    rules = [
        rule("intern", "a.**", exclude=("a.b",)),
        rule("extern", "a.*", "b"),
        rule("deny", "a.*"),
        rule("deny", "**"),
    ]
    table = PolicyTable(rules)
    assert [table.covered_by(index) for index in range(4)] == [None, None, 1, None]


@pytest.mark.parametrize(
    ("wide", "narrow", "answer"),
    [
        ("**", "a.*.b*", True),
        ("a.**", "a.b", True),
        ("a.*", "a.**", False),
        ("a.*.*", "a.**", False),
        ("a*", "a", True),
        ("a*", "*", False),
        ("**.z", "**.y.z", True),
    ],
)
def test_covers(wide, narrow, answer):
    assert covers(GlobGroup(wide), GlobGroup(narrow)) is answer


def test_empty_table_decides_nothing():
    assert PolicyTable([]).decide("a") is None


def test_rules_print_as_they_are_written():
    assert str(rule("intern", "a.**")) == 'intern("a.**")'
    written = 'mock(["a", "b"], exclude = "c", allow_empty = True)'
    assert str(rule("mock", "a", "b", exclude=("c",), allow_empty=True)) == written


def test_thousands_of_rules_decide_like_the_first_that_matches():
    table = PolicyTable([rule("extern", f"mod{i}*.**", exclude=(f"mod{i}.no",)) for i in range(2000)])
    assert table.decide("mod1999.a") == 1
    assert table.decide("mod199.no") == 1
    assert table.decide("mod7") == 7
    assert table.decide("other") is None
