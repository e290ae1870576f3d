"""Policies as texts: what is written can be read again."""

import pytest

from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.generate.policy_text import build_text, rules_from


def rule(policy, *include, **options):
    return PolicyRule(policy=policy, include=include, **options)


@pytest.mark.parametrize(
    "rules",
    [
        [rule(Policy.INTERN, "app.**"), rule(Policy.DENY, "**")],
        [rule(Policy.EXTERN, *(f"library_number_{i}.**" for i in range(30)))],
        [rule(Policy.INTERN, *(f"library_number_{i}.**" for i in range(30)), exclude=("a.b", "c"))],
        [rule(Policy.MOCK, "a", exclude=("a.b",))],
        [rule(Policy.EXTERN, "a", optional=True), rule(Policy.EXTERN, "b", allow_empty=True)],
        [rule(Policy.EXTERN, *(f"library_number_{i}.**" for i in range(30)), optional=True)],
    ],
)
def test_what_is_written_is_read_again(rules):
    text = build_text(rules, ())
    assert rules_from(text) == rules
    assert max(map(len, text.splitlines())) <= 110


def test_versions_stand_beside_the_policy():
    assert '    "numpy": ">=2",' in build_text([], [("numpy", ">=2")]).splitlines()


@pytest.mark.parametrize("text", ['[pack("a")]', "[intern", "3", "[open('x')]"])
def test_anything_else_is_no_policy(text):
    with pytest.raises(ValueError, match="policy"):
        rules_from(text)
