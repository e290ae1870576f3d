"""The calls that would settle an export whole, as the table of decisions has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from hermpkg_build.analysis.policy_maker import FollowedImports
from hermpkg_build.analysis.policy_plan import plan_policy
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.core.graph import EdgeKind, ModuleGraph
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import replace
from hermpkg_build.exporter.export_analysis import follow_export
from hermpkg_build.exporter.plan import Plan
from hermpkg_build.runtime.importer_protocol import AnyImporter

_FEWEST = 2
"""Of a single decision the fix of its module says it all."""


def whole_policy(
    plan: Plan,
    importer: AnyImporter,
    records: Collection[str],
    write: Callable[[PolicyRule], str],
    *,
    strict_imports: bool = False,
) -> str:
    """The calls, written by `write`, that would take the place of all that gave rules; "" where few are new.

    What each decides is said behind it by the names of distributions.
    """

    def follow(rules: Sequence[PolicyRule]) -> FollowedImports:
        walk = follow_export(
            replace(plan, rules=list(rules)), importer, records, strict_imports=strict_imports
        )

        def given(index: int | None) -> int | None:
            return None if index is None else walk.given_rules[index]

        graph = walk.closure.graph
        nodes = {name: replace(node, rule=given(node.rule)) for name, node in graph.nodes.items()}
        return FollowedImports(
            graph=ModuleGraph(nodes, graph.edges, graph.roots),
            problems=[
                replace(problem, rule=given(problem.rule), earlier_rule=given(problem.earlier_rule))
                for problem in walk.problems
            ],
            modules=walk.modules,
            distributions=walk.modules.installed.distributions,
        )

    made = plan_policy(plan.rules, follow, is_absent=_is_absent)
    if len(made.decisions) < _FEWEST:
        return ""
    new = [rule if rule in plan.rules else replace(rule, allow_empty=True) for rule in made.rules]
    lines = [f"    {write(rule)}" for rule in new]
    what = "all of it" if not made.left else "all but what only you can mend"
    return "\n".join([f"These calls, in place of those that gave rules, settle {what}:", "", *lines])


def _is_absent(problem: Problem) -> bool:
    """Whether an import, not a pickle, asks for a module that is not installed."""
    is_nowhere = problem.source is None and problem.kind in (ProblemKind.NOT_FOUND, ProblemKind.DENIED)
    return is_nowhere and bool(problem.trail) and problem.trail[-1].kind is not EdgeKind.PICKLE
