"""The problems of an export as broken modules, each with the call that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hermpkg_build.analysis.advice import Voice
from hermpkg_build.analysis.diagnosis import Teller, chain_lines
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import ModuleKind
from hermpkg_build.core.policy import PolicyRule, patterns_text
from hermpkg_build.exporter.errors import (
    BrokenModule,
    EmptyMatchError,
    PackagingError,
    PackagingErrorReason,
)
from hermpkg_build.exporter.export_analysis import ExportAnalysis

_RULE_PROBLEMS = (ProblemKind.EMPTY_RULE, ProblemKind.DEAD_RULE)

_REASONS = {
    ProblemKind.NO_POLICY: PackagingErrorReason.NO_ACTION,
    ProblemKind.DENIED: PackagingErrorReason.DENIED,
    ProblemKind.MOCKED_BUT_USED: PackagingErrorReason.MOCKED_BUT_STILL_USED,
    ProblemKind.PROGRAM: PackagingErrorReason.PROGRAM_IS_ANOTHER,
    ProblemKind.NOT_FOUND: PackagingErrorReason.MODULE_NOT_FOUND,
}

_KINDS_WITHOUT_SOURCE = {
    ModuleKind.EXTENSION: PackagingErrorReason.IS_EXTENSION_MODULE,
    ModuleKind.BUILTIN: PackagingErrorReason.NO_DUNDER_FILE,
}


def call_text(rule: PolicyRule) -> str:
    """A rule as the call that gives it to an exporter: ``exporter.extern("lib.**")``."""
    arguments = [patterns_text(rule.include)]
    if rule.exclude:
        arguments.append(f"exclude={patterns_text(rule.exclude)}")
    if not rule.allow_empty:
        arguments.append("allow_empty=False")
    if rule.optional:
        arguments.append("optional=True")
    return f"exporter.{rule.policy}({', '.join(arguments)})"


_CALLS = Voice(
    rule=call_text,
    end="",
    add="call",
    add_unsaved="name it in add_dependency instead of saving it, and call",
    allow_empty=True,
)


def raise_for(
    analysis: ExportAnalysis,
    given: Sequence[PolicyRule],
    *,
    debug: bool,
    whole: Callable[[], str] = lambda: "",
) -> None:
    """Raise PackagingError where modules are broken, else EmptyMatchError where a rule decides for none.

    With `debug`, a broken module has all imports that need it, not only the first. `whole` gives the calls
    that settle all; it is asked where there are several things to mend.
    """
    teller = Teller(
        problems=analysis.problems,
        graph=analysis.graph,
        rules=[given[index] if index is not None else None for index in analysis.given_rules],
        modules=analysis.modules,
        environment=analysis.modules.installed,
        voice=_CALLS,
    )
    groups = teller.groups()
    broken = [
        _broken(teller, problem, others, debug=debug)
        for first, *others in groups
        for problem in (first, *others)
        if problem.kind not in _RULE_PROBLEMS
    ]
    if broken:
        count = len({module.module for module in broken})
        modules = "1 module is" if count == 1 else f"{count} modules are"
        raise PackagingError(
            f"the package cannot be made: {modules} broken",
            broken=broken,
            dependency_graph=analysis.graph,
            details=whole() if len(groups) > 1 else "",
        )
    idle = {
        analysis.given_rules[problem.rule]: problem
        for problem in analysis.problems
        if problem.rule is not None
    }
    used = {analysis.given_rules[node.rule] for node in analysis.graph if node.rule is not None}
    for index, rule in enumerate(given):
        problem = idle.get(index)
        if rule.is_for_the_rest and not rule.allow_empty and index not in used:
            # A build lets a rule for all that is left have nothing to do; here it was asked for.
            problem = Problem(kind=ProblemKind.EMPTY_RULE, module="", rule=analysis.given_rules.index(index))
        if problem is not None:
            raise EmptyMatchError(
                f"{call_text(rule)} did not match any modules, which it must (allow_empty=False)",
                facts=[*teller.facts(problem)],
                location=rule.location,
                next_step=teller.advice(problem),
            )


def _broken(teller: Teller, problem: Problem, others: Sequence[Problem], *, debug: bool) -> BrokenModule:
    """The broken module of `problem`; its fix mends `others` too."""
    is_beyond = problem.kind is ProblemKind.BEYOND_TOP and problem.trail
    reason = _reason(problem)
    context = [*teller.facts(problem)]
    if reason is PackagingErrorReason.DEPENDENCY_RESOLUTION_FAILED:
        snippet = teller.snippet(problem) if problem.syntax else ""
        context.insert(0, ("problem", f"{teller.summary(problem)}\n{snippet}".rstrip()))
    return BrokenModule(
        module=problem.trail[-1].source if is_beyond else problem.module,
        reason=reason,
        context=[*context, *(_also(problem, teller.graph) if debug else ())],
        location=teller.location(problem),
        chain=chain_lines(problem.trail),
        path=[*(edge.source for edge in problem.trail[:1]), *(edge.target for edge in problem.trail)],
        fix=teller.advice(problem, others),
    )


def _reason(problem: Problem) -> PackagingErrorReason:
    if problem.kind is ProblemKind.NO_SOURCE and problem.source is not None:
        return _KINDS_WITHOUT_SOURCE.get(problem.source.kind, PackagingErrorReason.SOURCE_FILE_NOT_FOUND)
    return _REASONS.get(problem.kind, PackagingErrorReason.DEPENDENCY_RESOLUTION_FAILED)


def _also(problem: Problem, graph: ModuleGraph) -> Iterator[tuple[str, str]]:
    """All imports of the module except the first one."""
    first = problem.trail[-1].source if problem.trail else None
    others = [
        f"{edge.source}  {edge.location or ''}".rstrip()
        for edge in graph.importers_of(problem.module)
        if edge.source != first
    ]
    if others:
        yield "also needed by", "\n".join(others)
