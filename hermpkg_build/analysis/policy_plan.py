"""Plans how a policy is changed, so that it settles all that a person need not decide."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from hermpkg_build.analysis.decisions import Decision, must_match, patterns_for, rules_of
from hermpkg_build.analysis.policy_maker import (
    FollowedImports,
    Wishes,
    decide_imports,
    is_installed_nowhere,
    is_undecided,
)
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.rule_problems import literal_stem
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.dataclass import dataclass, field, replace

_LEFT_TO_DECIDE = (ProblemKind.DENIED, ProblemKind.MOCKED_BUT_USED)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertRule:
    """Put `rule` before the rule with the number `index`, or at the end."""

    index: int
    rule: PolicyRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendRule:
    """Add `patterns` to those that the rule with the number `index` is for."""

    index: int
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRule:
    """Remove the rule with the number `index`."""

    index: int


RuleEdit: TypeAlias = InsertRule | ExtendRule | RemoveRule


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPlan:
    """How a policy is changed: its `rules` then, and the `edits` that lead there.

    The numbers in `edits` count the rules as they were. `decisions` are those that are new, each with the
    problem by which it came up. `left` is what a person must decide: `followed` are the imports with all
    that in mind, by the rules `asked`, which the problems count.
    """

    rules: tuple[PolicyRule, ...]
    edits: tuple[RuleEdit, ...]
    decisions: tuple[tuple[Decision, Problem], ...] = ()
    left: tuple[Problem, ...] = ()
    asked: tuple[PolicyRule, ...] = ()
    followed: FollowedImports

    def deciding(self) -> Callable[[str], Decision | None]:
        """What gives the new decision on a module, if there is one."""
        first: dict[str, int] = {}
        for number, (decision, _) in enumerate(self.decisions):
            for pattern in decision.patterns:
                first.setdefault(pattern, number)

        def decision_on(module: str) -> Decision | None:
            numbers = [first[pattern] for pattern in patterns_for(module) if pattern in first]
            return self.decisions[min(numbers)][0] if numbers else None

        return decision_on


def plan_policy(
    given: Sequence[PolicyRule],
    follow: Callable[[Sequence[PolicyRule]], FollowedImports],
    *,
    first: int = 0,
    is_absent: Callable[[Problem], bool] = is_installed_nowhere,
) -> PolicyPlan:
    """Plan a change of the policy `given`, by the imports that `follow` follows by some rules.

    The rules before the number `first` stand for saved modules, and stay where they are. `is_absent` tells
    of a module that is not found whether it is one that is not installed, and not a mistake.
    """
    return _Planner(list(given), follow, first, is_absent).run()


@dataclass(slots=True)
class _Planner:
    given: list[PolicyRule]
    follow: Callable[[Sequence[PolicyRule]], FollowedImports]
    first: int
    is_absent: Callable[[Problem], bool]
    _asked: list[tuple[PolicyRule, int | None]] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)

    def run(self) -> PolicyPlan:
        """Decide, and find the edits."""
        wishes = Wishes(named=_named(self.given[self.first :]), for_own=False)
        reached = decide_imports(self._followed, wishes, is_open=self._is_open, is_absent=self._may_be_absent)
        reached = [*filter(_says_more, reached)]
        final = self._followed(reached)
        dead = {
            number
            for problem in final.problems
            if (number := self._killed(problem)) is not None and number >= self.first
        }
        used = {self._asked[node.rule][1] for node in final.graph if node.rule is not None}
        edits = [
            *self._edits(reached, used),
            *(RemoveRule(index=number - self.first) for number in sorted(dead)),
        ]
        left = [problem for problem in final.problems if self._killed(problem) not in dead]
        return PolicyPlan(
            rules=tuple(applied(self.given[self.first :], edits)),
            edits=tuple(edits),
            decisions=tuple(zip(reached, self._causes(reached), strict=True)),
            left=tuple(left),
            asked=tuple(rule for rule, _ in self._asked),
            followed=final,
        )

    def _followed(self, decisions: Sequence[Decision]) -> FollowedImports:
        """Follow the imports by the rules given and those of decisions."""
        inserted: dict[int, list[Decision]] = {}
        for decision in filter(_says_more, decisions):
            inserted.setdefault(self._place(decision), []).append(decision)
        self._asked = []
        for number in range(len(self.given) + 1):
            self._asked += [(rule, None) for rule in must_match(rules_of(inserted.get(number, ())))]
            self._asked += [(rule, number) for rule in self.given[number : number + 1]]
        found = self.follow([rule for rule, _ in self._asked])
        self._problems += found.problems
        return found

    def _is_open(self, problem: Problem) -> bool:
        """Whether no rule speaks of the module at fault in particular."""
        if problem.kind not in _LEFT_TO_DECIDE or problem.rule is None:
            return is_undecided(problem)
        return self._asked[problem.rule][0].is_for_the_rest

    def _may_be_absent(self, problem: Problem) -> bool:
        """Whether a module is not installed, and no rule speaks of it in particular."""
        is_left = problem.kind is ProblemKind.NOT_FOUND or self._is_open(problem)
        return is_left and self.is_absent(problem)

    def _killed(self, problem: Problem) -> int | None:
        """The number of a given rule that new ones leave without a module."""
        if problem.kind is not ProblemKind.DEAD_RULE or problem.rule is None or problem.earlier_rule is None:
            return None
        is_new = self._asked[problem.earlier_rule][1] is None
        return self._asked[problem.rule][1] if is_new else None

    def _place(self, decision: Decision) -> int:
        """The number of the rule before which those of a decision stand."""
        rules = self.given[self.first :]
        rest = next((i for i, rule in enumerate(rules) if rule.is_for_the_rest), len(rules))
        if decision.is_part:
            rest = min([rest, *self._deciding(rules, decision.modules)])
        return self.first + rest

    @staticmethod
    def _deciding(rules: Sequence[PolicyRule], modules: Iterable[str]) -> list[int]:
        table = PolicyTable(rules)
        return [number for module in modules if (number := table.decide(module)) is not None]

    def _edits(self, decisions: Sequence[Decision], used: Collection[int | None]) -> list[RuleEdit]:
        """Carry out decisions by as few new rules as possible."""
        edits: list[RuleEdit] = []
        by_place: dict[int, list[Decision]] = {}
        for decision in decisions:
            by_place.setdefault(self._place(decision), []).append(decision)
        parts = [module for decision in decisions if decision.is_part for module in decision.modules]
        for place, found in sorted(by_place.items()):
            for rule in must_match(rules_of(found)):
                known = self._extensible(rule, place, used)
                if any(map(GlobGroup(rule.include).matches, parts)):
                    known = None  # Rules for parts of it come first.
                if known is None:
                    edits.append(InsertRule(index=place - self.first, rule=rule))
                else:
                    edits.append(ExtendRule(index=known - self.first, patterns=rule.include))
        return edits

    def _extensible(self, rule: PolicyRule, place: int, used: Collection[int | None]) -> int | None:
        """The last rule before a place that can have the patterns of `rule` too, with the same effect.

        One that decides for nothing yet may be a mistake.
        """
        tops = {*map(top_of, rule.include)}
        for number in range(place - 1, self.first - 1, -1):
            known = self.given[number]
            is_plain = not (known.exclude or known.is_for_the_rest) and (known.allow_empty or number in used)
            if (known.policy, known.optional) == (rule.policy, rule.optional) and is_plain:
                return number
            if any("*" in top or top in tops for top in map(top_of, known.include)):
                return None
        return None

    def _causes(self, decisions: Iterable[Decision]) -> Iterator[Problem]:
        """For each decision the first problem that it settles."""
        within: dict[str, int] = {}
        at_fault: dict[str, int] = {}
        for number, problem in enumerate(self._problems):
            for pattern in patterns_for(problem.module):
                within.setdefault(pattern, number)
            if problem.trail:
                at_fault.setdefault(problem.trail[-1].source, number)
        for decision in decisions:
            settled = [within[pattern] for pattern in decision.patterns if pattern in within]
            settled = settled or [at_fault[module] for module in decision.modules if module in at_fault]
            yield self._problems[min(settled, default=0)]


def applied(rules: Sequence[PolicyRule], edits: Iterable[RuleEdit]) -> list[PolicyRule]:
    """The rules after `edits`, whose numbers count the rules before."""
    inserted: dict[int, list[PolicyRule]] = {}
    changed: list[PolicyRule | None] = [*rules]
    for edit in edits:
        if isinstance(edit, InsertRule):
            inserted.setdefault(edit.index, []).append(edit.rule)
        elif isinstance(edit, RemoveRule):
            changed[edit.index] = None
        elif (rule := changed[edit.index]) is not None:
            both = dict.fromkeys((*rule.include, *edit.patterns))
            changed[edit.index] = replace(rule, include=tuple(both))
    result: list[PolicyRule] = []
    for number in range(len(rules) + 1):
        result += inserted.get(number, ())
        result += [rule for rule in changed[number : number + 1] if rule is not None]
    return result


def _says_more(decision: Decision) -> bool:
    """Whether a decision changes anything: a part of what is packed is packed as it is."""
    return not (decision.is_part and decision.policy is Policy.INTERN)


def _named(rules: Iterable[PolicyRule]) -> dict[str, Policy]:
    """What rules ask for packages as a whole, where they agree."""
    asked: dict[str, set[Policy]] = {}
    for rule in rules:
        for pattern in rule.include if rule.policy in (Policy.INTERN, Policy.EXTERN) else ():
            stem = literal_stem(pattern)
            if stem and (pattern != stem or rule.policy is Policy.INTERN):
                for name in {stem, top_of(stem)}:
                    asked.setdefault(name, set()).add(rule.policy)
    return {name: next(iter(policies)) for name, policies in asked.items() if len(policies) == 1}
