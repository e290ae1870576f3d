"""Finds the problems of a policy: malformed patterns, and rules that never decide."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from hermpkg_build.analysis.import_resolution import ModuleLookup, Verdict
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable


def malformed_patterns(rules: Sequence[PolicyRule]) -> list[Problem]:
    """The malformed patterns, each with the reason."""
    problems = []
    for index, rule in enumerate(rules):
        for pattern in (*rule.include, *rule.exclude):
            reason = "a part between two dots is empty" if "" in pattern.split(".") else ""
            try:
                GlobGroup(pattern)
            except ValueError:
                reason = "** can only stand for whole parts between dots"
            if reason:
                problems.append(
                    Problem(kind=ProblemKind.MALFORMED_PATTERN, module=pattern, rule=index, detail=reason)
                )
    return problems


def unused_rules(
    table: PolicyTable, finder: ModuleLookup, verdicts: Mapping[str, Verdict], problems: Iterable[Problem]
) -> list[Problem]:
    """The rules that decided for no module, though they had to.

    A rule with `allow_empty` need not match. A deny, or a rule for all that is left such as
    ``extern("**")``, is a fault only if an earlier rule takes all that it could ever match. Where
    other `problems` kept modules from being looked at, a rule that could match one of those is given
    the benefit of the doubt.
    """
    problems = list(problems)
    used = {verdict.rule for verdict in verdicts.values()} | {problem.rule for problem in problems}
    idle = [index for index, rule in enumerate(table.rules) if index not in used and not rule.allow_empty]
    names = sorted(verdicts) if idle else []
    found: list[Problem] = []
    for index in idle:
        rule = table.rules[index]
        if may_idle(rule) and table.covered_by(index) is None:
            continue
        met = [
            name
            for name in beginning_like(rule.include, names)
            if table.reaches(index, name, implicit_extern=verdicts[name].implicit_extern)
        ]
        earlier = table.covered_by(index) if met else None
        if met and (earlier is not None or not (problems or may_idle(rule))):
            taken_by = verdicts[met[0]].rule if earlier is None else earlier
            found.append(
                Problem(
                    kind=ProblemKind.DEAD_RULE,
                    module=met[0],
                    rule=index,
                    earlier_rule=taken_by,
                    detail="\n".join(met),
                )
            )
        elif not met and not may_idle(rule) and not (problems and _could_match(rule, finder)):
            found.append(Problem(kind=ProblemKind.EMPTY_RULE, module="", rule=index))
    return found


def misspelt_names(rules: Sequence[PolicyRule], finder: ModuleLookup, graph: ModuleGraph) -> list[Problem]:
    """The modules that rules name in full, to have them packed, and that there are not."""
    return [
        Problem(kind=ProblemKind.EMPTY_RULE, module=name, rule=index)
        for index, rule in enumerate(rules)
        if rule.policy is Policy.INTERN and not rule.allow_empty
        for name in rule.include
        if "*" not in name and name not in graph.nodes and finder.find(name) is None
    ]


def may_idle(rule: PolicyRule) -> bool:
    """Whether a rule may have nothing to do: it denies, or names nothing that could be misspelt."""
    return rule.policy is Policy.DENY or rule.is_for_the_rest


def beginning_like(patterns: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """Those of the sorted `names` that begin as a pattern does before its first wildcard, each once."""
    seen = set()
    for pattern in patterns:
        beginning = pattern.partition("*")[0].rstrip(".")
        for name in islice(names, bisect_left(names, beginning), None):
            if not name.startswith(beginning):
                break
            if name not in seen:
                seen.add(name)
                yield name


def _could_match(rule: PolicyRule, finder: ModuleLookup) -> bool:
    """Whether there is anything at all under the part of a pattern before its first wildcard."""
    return any(not (stem := literal_stem(pattern)) or finder.find(stem) for pattern in rule.include)


def literal_stem(pattern: str) -> str:
    """The leading parts of a pattern that have no wildcard: ``kornia.feature`` of ``kornia.feature.**``."""
    parts = pattern.split(".")
    return ".".join(parts[: next((i for i, part in enumerate(parts) if "*" in part), len(parts))])
