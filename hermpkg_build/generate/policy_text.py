"""Policies as texts: read as a report writes them, written for BUILD files and as calls."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.parsed_texts import literal_value, parse_expression
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.starlark_text import short_policy


def rules_from(policy: str | Sequence[PolicyRule] | None) -> list[PolicyRule]:
    """The rules that a caller gives, as such or as the text of a BUILD file. Raises ValueError.

    >>> [str(rule) for rule in rules_from('[intern("app.**"), deny("**")]')]
    ['intern("app.**")', 'deny("**")']
    """
    if not isinstance(policy, str):
        return list(policy or ())
    try:
        call = parse_expression(f"_({policy.strip()})")
    except SyntaxError as error:
        raise ValueError(f"the policy is no list of rules: {error}") from None
    assert isinstance(call, ast.Call)
    # The text may be the attributes of a target, of which the policy is one.
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "policy")]
    rules = [rule for each in given for rule in (each.elts if isinstance(each, ast.List) else [each])]
    return [_rule(rule) for rule in rules]


def _rule(call: ast.expr) -> PolicyRule:
    known = [policy.value for policy in Policy]
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in known:
        raise ValueError(f"a rule of a policy is one of {', '.join(known)}(...), not {ast.unparse(call)}")
    values = {keyword.arg: literal_value(keyword.value) for keyword in call.keywords}
    include = literal_value(call.args[0]) if call.args else values["include"]
    return PolicyRule(
        policy=Policy(call.func.id),
        include=_patterns(include),
        exclude=_patterns(values.get("exclude", ())),
        allow_empty=bool(values.get("allow_empty", False)),
        optional=bool(values.get("optional", False)),
    )


def _patterns(value: object) -> tuple[str, ...]:
    patterns = (value,) if isinstance(value, str) else value
    if not isinstance(patterns, tuple | list) or not all(isinstance(each, str) for each in patterns):
        raise ValueError(f"the patterns of a rule are texts, not {value!r}")
    return tuple(patterns)


def build_text(rules: Iterable[PolicyRule], requires: Iterable[tuple[str, str]]) -> str:
    """The attributes of a model_package that say the same."""
    lines = short_policy(rules)
    versions = sorted(requires)
    if versions:
        lines += ["requires = {", *(f'    "{name}": "{text}",' for name, text in versions), "},"]
    return "\n".join(lines)
