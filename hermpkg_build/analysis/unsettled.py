"""The error for a policy that does not settle all that a target needs: one block that mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermpkg_build.analysis.advice import build_file_voice, similar_module, undeclared_file
from hermpkg_build.analysis.decisions import Decision
from hermpkg_build.analysis.diagnosis import Teller, errors_of
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.policy_maker import FollowedImports
from hermpkg_build.analysis.policy_plan import PolicyPlan, plan_policy
from hermpkg_build.analysis.problems import MissingFile, Problem, ProblemKind
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import Origin
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.starlark_text import short_policy
from hermpkg_build.core.texts import counted, first_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import AnalysisError, GroupedError
from hermpkg_build.printable import pasteable

_MANY = 14
"""How many decisions are shown one by one."""


class UnsettledPolicyError(GroupedError):
    """A target whose policy does not settle all that it needs.

    `target` is its label, `plan` what would settle it, `missing` the files that its modules need and do not
    reach, `idle` the numbers of rules that match nothing, each with the one pattern that does not where
    that is so.
    """

    def __init__(
        self,
        target: str,
        errors: Sequence[AnalysisError],
        *,
        plan: PolicyPlan,
        missing: Sequence[MissingFile],
        idle: Sequence[tuple[int, str]],
    ) -> None:
        super().__init__(f"{target} cannot be packaged: {counted(len(errors), 'problem')}", errors)
        self.target = target
        self.plan = plan
        self.missing: tuple[MissingFile, ...] = tuple(missing)
        self.idle: tuple[tuple[int, str], ...] = tuple(idle)


def unsettled(
    target: str,
    rules: Sequence[PolicyRule],
    found: FollowedImports,
    follow: Callable[[Sequence[PolicyRule]], FollowedImports],
    finder: ModuleFinder,
    *,
    first: int,
) -> UnsettledPolicyError:
    """Make the error for the problems that `found` has of `rules`, which begin at the number `first`.

    `follow` follows the imports by other rules.
    """
    plan = plan_policy(rules, follow, first=first, is_absent=lambda problem: _is_absent(problem, finder))
    left = {(problem.kind, problem.module) for problem in plan.left}
    settled = [problem for problem in found.problems if (problem.kind, problem.module) not in left]
    tell = _Telling(target, finder, plan)
    rest = tell.teller(plan.left, plan.asked, plan.followed)
    follows = [problem for problem in settled if any(_is_meant(problem, rest, other) for other in plan.left)]
    settled = [problem for problem in settled if problem not in follows]
    now = tell.teller(settled, rules, found)
    # With nothing behind them, problems that one rule mends are told with all that is known of them.
    alone = len(now.groups()) == 1 and all(
        any(map(GlobGroup(decision.patterns).matches, [problem.module for problem in settled]))
        for decision, _ in plan.decisions
    )
    errors = errors_of(now) if alone else [tell.together(now, settled)] if settled else []
    return UnsettledPolicyError(
        target,
        [*errors, *errors_of(rest)],
        plan=plan,
        missing=[*_missing([*found.problems, *plan.left], finder)],
        idle=[
            (problem.rule - first, problem.module)
            for problem in found.problems
            if problem.kind is ProblemKind.EMPTY_RULE and problem.rule is not None
        ],
    )


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells of one target, whose policy `plan` changes."""

    target: str
    finder: ModuleFinder
    plan: PolicyPlan

    def teller(
        self, problems: Sequence[Problem], rules: Sequence[PolicyRule], found: FollowedImports
    ) -> Teller:
        """A teller of problems that count in `rules`."""
        return Teller(
            problems=problems,
            graph=found.graph,
            rules=rules,
            modules=self.finder,
            environment=self.finder,
            voice=build_file_voice(self.target),
            decided=self.plan.deciding(),
        )

    def together(self, teller: Teller, settled: Sequence[Problem]) -> AnalysisError:
        """One error for all that the plan settles."""
        rows = [(decision.name, _row(decision, cause, teller)) for decision, cause in self.plan.decisions]
        shown = rows[:_MANY]
        if len(rows) > len(shown):
            names = [name for name, _ in rows[_MANY:]]
            shown.append(("and", ", ".join(first_of(names, 2 * _MANY))))
        block = "\n".join(f"    {line}" for line in short_policy(self.plan.rules))
        located = next((rule for rule in teller.rules if rule and rule.location), None)
        return AnalysisError(
            f"the policy of {self.target} does not say what becomes of"
            f" {counted(len(rows), 'package')} that it needs",
            location=located.location if located else teller.location(settled[0]),
            facts=shown,
            next_step=f"write it with: {pasteable('hermpkg', 'fix', str(self.target))}, "
            f"or put in its place:\n{block}",
        )


def _row(decision: Decision, cause: Problem, teller: Teller) -> str:
    place = teller.location(cause) if cause.trail and cause.trail[-1].kind is not EdgeKind.PICKLE else None
    where = f"{place}" if place else f"{cause.trail[-1].source}" if cause.trail else ""
    return f"{decision.policy}, {decision.reason}{f'  ({where})' if where else ''}"


def _is_nowhere(problem: Problem) -> bool:
    is_denied = problem.kind is ProblemKind.DENIED and problem.source is None
    return problem.kind is ProblemKind.NOT_FOUND or is_denied


def _is_absent(problem: Problem, finder: ModuleFinder) -> bool:
    """Whether a module is one of a library that is not installed, and not a mistake in one's own code."""
    is_import = bool(problem.trail) and problem.trail[-1].kind is EdgeKind.IMPORT
    if not (is_import and _is_nowhere(problem)) or undeclared_file(problem, finder):
        return False
    top = finder.find(top_of(problem.module))
    if top is not None and top.origin is Origin.WORKSPACE:
        return False
    importer = finder.find(problem.trail[-1].source)
    is_own = importer is not None and importer.origin is Origin.WORKSPACE
    return not (
        is_own and (similar_module(problem.module, finder) or finder.hooks_for(top_of(problem.module)))
    )


def _is_meant(problem: Problem, teller: Teller, other: Problem) -> bool:
    """Whether a problem is there because the rule of another one, which matches nothing, is misspelt."""
    rule = teller.rules[other.rule] if other.rule is not None else None
    if other.kind is not ProblemKind.EMPTY_RULE or rule is None or other.module:
        return False
    meant = teller.meant_by(rule.include)
    return bool(meant) and GlobGroup(meant).matches(problem.module)


def _missing(problems: Sequence[Problem], finder: ModuleFinder) -> dict[MissingFile, None]:
    found: dict[MissingFile, None] = {}
    for problem in problems:
        if _is_nowhere(problem) or (problem.kind is ProblemKind.EMPTY_RULE and problem.module):
            file = undeclared_file(problem, finder)
            if file is not None:
                is_import = bool(problem.trail) and problem.trail[-1].kind is EdgeKind.IMPORT
                importer = problem.trail[-1].source if is_import else ""
                found[MissingFile(file=file, importer=importer)] = None
    return found
