"""Laws of patterns and policies, held to a matcher that tries segment by segment."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.globs import GlobGroup, covers
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable

segments = st.sampled_from(["a", "b", "ab", "ba", "aab"])
names = st.lists(segments, min_size=1, max_size=5).map(".".join)
patterns = st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "*b", "a*b"]), min_size=1, max_size=4).map(
    ".".join
)
several = st.lists(patterns, max_size=3).map(tuple)


def matches(pattern: list[str], name: list[str]) -> bool:
    """The meaning of a pattern, straight from its definition."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(matches(pattern[1:], name[taken:]) for taken in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and matches(pattern[1:], name[1:])


def any_matches(group: tuple[str, ...], name: str) -> bool:
    return any(matches(pattern.split("."), name.split(".")) for pattern in group)


@given(several, several, names)
def test_a_group_matches_what_an_include_and_no_exclude_matches(include, exclude, name):
    expected = any_matches(include, name) and not any_matches(exclude, name)
    assert GlobGroup(include, exclude=exclude).matches(name) is expected


@given(st.lists(st.tuples(several, several), max_size=6), names, st.booleans())
def test_the_first_rule_that_matches_decides(groups, name, implicit_extern):
    rules = [
        PolicyRule(policy=Policy.EXTERN, include=include, exclude=exclude) for include, exclude in groups
    ]
    reach = [
        any_matches(tuple(p for p in include if not implicit_extern or p.split(".")[0].strip("*")), name)
        and not any_matches(exclude, name)
        for include, exclude in groups
    ]
    table = PolicyTable(rules)
    expected = reach.index(True) if True in reach else None
    assert table.decide(name, implicit_extern=implicit_extern) == expected
    assert [table.reaches(i, name, implicit_extern=implicit_extern) for i in range(len(rules))] == reach


@given(several, several, several, names)
def test_a_group_that_covers_another_matches_all_that_it_matches(wide, narrow, exclude, name):
    inner = GlobGroup(narrow, exclude=exclude)
    if covers(GlobGroup(wide), inner) and inner.matches(name):
        assert GlobGroup(wide).matches(name)


@given(patterns)
def test_every_group_covers_itself(pattern):
    assert covers(GlobGroup(pattern), GlobGroup(pattern))
