"""Problems of an export as broken modules: reason, context, chain, and the call that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleKind
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import Location
from hermpkg_build.exporter.errors import (
    BrokenModule,
    EmptyMatchError,
    PackagingError,
    PackagingErrorReason,
)
from hermpkg_build.exporter.resolution import Resolution

_RULE_PROBLEMS = (ProblemKind.EMPTY_RULE, ProblemKind.DEAD_RULE)

_REASONS = {
    ProblemKind.NO_POLICY: PackagingErrorReason.NO_ACTION,
    ProblemKind.DENIED: PackagingErrorReason.DENIED,
    ProblemKind.MOCKED_BUT_USED: PackagingErrorReason.MOCKED_BUT_STILL_USED,
    ProblemKind.NOT_FOUND: PackagingErrorReason.MODULE_NOT_FOUND,
}

_KINDS_WITHOUT_SOURCE = {
    ModuleKind.EXTENSION: PackagingErrorReason.IS_EXTENSION_MODULE,
    ModuleKind.BUILTIN: PackagingErrorReason.NO_DUNDER_FILE,
}

_CHAIN_ENDS = 6
"""How many steps of a long chain are shown at each end."""


def raise_for(resolution: Resolution, given: Sequence[PolicyRule], *, debug: bool) -> None:
    """Raise PackagingError where modules are broken, else EmptyMatchError where a rule decides for none.

    With `debug`, every import that needs a broken module is told, not only the first.
    """
    broken = [
        _broken(problem, resolution, given, debug=debug)
        for problem in resolution.problems
        if problem.kind not in _RULE_PROBLEMS
    ]
    if broken:
        count = len({module.module for module in broken})
        modules = "1 module is" if count == 1 else f"{count} modules are"
        raise PackagingError(
            f"the package cannot be made: {modules} broken",
            broken=broken,
            dependency_graph=resolution.graph,
        )
    idle = {
        resolution.given_rules[problem.rule]: problem.detail
        for problem in resolution.problems
        if problem.rule is not None
    }
    used = {resolution.given_rules[node.rule] for node in resolution.graph if node.rule is not None}
    for index, rule in enumerate(given):
        # A build lets a rule for all that is left have nothing to do; here it was asked for.
        if index in idle or (rule.is_for_the_rest and not rule.allow_empty and index not in used):
            taken = idle.get(index)
            raise EmptyMatchError(
                f"{call_text(rule)} did not match any modules, which it must (allow_empty=False)",
                facts=[("taken by earlier rules", taken)] if taken else (),
                location=rule.location,
                next_step="correct the pattern, or allow it to be empty",
            )


def call_text(rule: PolicyRule) -> str:
    """A rule as the call that gives it to an exporter."""
    arguments = [_literal(rule.include)]
    if rule.exclude:
        arguments.append(f"exclude={_literal(rule.exclude)}")
    if not rule.allow_empty:
        arguments.append("allow_empty=False")
    return f"exporter.{rule.policy}({', '.join(arguments)})"


def _literal(patterns: Sequence[str]) -> str:
    quoted = [f'"{pattern}"' for pattern in patterns]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _broken(
    problem: Problem, resolution: Resolution, given: Sequence[PolicyRule], *, debug: bool
) -> BrokenModule:
    at_fault = problem.module
    if problem.kind is ProblemKind.BEYOND_TOP and problem.trail:
        at_fault = problem.trail[-1].source
    index = resolution.given_rules[problem.rule] if problem.rule is not None else None
    rule = given[index] if index is not None else None
    return BrokenModule(
        module=at_fault,
        reason=_reason(problem),
        context=[*_context(problem, rule), *(_also(problem, resolution) if debug else ())],
        location=_location(problem),
        chain=_chain(problem.trail),
        path=[*(edge.source for edge in problem.trail[:1]), *(edge.target for edge in problem.trail)],
        fix=_fix(problem, rule),
    )


def _reason(problem: Problem) -> PackagingErrorReason:
    if problem.kind is ProblemKind.NO_SOURCE and problem.source is not None:
        return _KINDS_WITHOUT_SOURCE.get(problem.source.kind, PackagingErrorReason.SOURCE_FILE_NOT_FOUND)
    return _REASONS.get(problem.kind, PackagingErrorReason.DEPENDENCY_RESOLUTION_FAILED)


def _context(problem: Problem, rule: PolicyRule | None) -> Iterator[tuple[str, str]]:
    if rule is not None and problem.kind is not ProblemKind.MALFORMED_PATTERN:
        yield "rule", call_text(rule)
    if problem.kind is ProblemKind.MOCKED_BUT_USED:
        yield "objects", f"{', '.join(problem.names)} in {problem.trail[-1].source}"
    if problem.kind is ProblemKind.NO_SOURCE and problem.source is not None and problem.source.path:
        yield "file", problem.source.path
    if problem.syntax is not None:
        yield "problem", f"{problem.syntax.message} ({problem.syntax.text})"
    if problem.kind is ProblemKind.BEYOND_TOP:
        yield "problem", f"{problem.module} goes beyond the top-level package"
    if problem.kind in (ProblemKind.MALFORMED_NAME, ProblemKind.MALFORMED_PATTERN):
        yield "problem", problem.detail or "this cannot be the name of a module"
    if problem.kind is ProblemKind.NOT_FOUND and problem.names:
        yield "asked for", ", ".join(problem.names)


def _also(problem: Problem, resolution: Resolution) -> Iterator[tuple[str, str]]:
    """Every other import of the module that was followed."""
    first = problem.trail[-1] if problem.trail else None
    others = [
        f"{edge.source}  {edge.location or ''}".rstrip()
        for edge in resolution.graph.importers_of(problem.module)
        if first is None or edge.source != first.source
    ]
    if others:
        yield "also needed by", "\n".join(others)


def _location(problem: Problem) -> Location | None:
    if problem.syntax is not None and problem.source is not None:
        return Location(problem.source.shown, problem.syntax.line, problem.syntax.column)
    return next((edge.location for edge in reversed(problem.trail) if edge.location), None)


def _chain(trail: Sequence[Edge]) -> list[str]:
    if not trail:
        return []
    lines = [trail[0].source]
    for edge in trail:
        where = f"the package of {edge.source}" if edge.kind is EdgeKind.PARENT else str(edge.location or "")
        lines.append(f"  {edge.target}  {where}".rstrip())
    if len(lines) > 2 * _CHAIN_ENDS + 1:
        between = f"  ... {len(lines) - 2 * _CHAIN_ENDS:,} more ..."
        lines = [*lines[:_CHAIN_ENDS], between, *lines[-_CHAIN_ENDS:]]
    return lines


def _fix(problem: Problem, rule: PolicyRule | None) -> str:
    name, kind = problem.module, problem.kind
    top = name.partition(".")[0]
    before = f", before {call_text(rule)}" if rule is not None else ""
    if kind is ProblemKind.NO_POLICY:
        return (
            f'exporter.extern("{top}.**") where it is installed wherever the package is loaded, or'
            f' exporter.intern("{top}.**") to pack it'
        )
    if kind is ProblemKind.DENIED:
        return f'remove the import, or exporter.mock("{name}"){before}'
    if kind is ProblemKind.MOCKED_BUT_USED:
        return f'exporter.intern("{name}") or exporter.extern("{name}"){before}'
    if kind is ProblemKind.NO_SOURCE:
        return f'exporter.extern("{name}") or exporter.mock("{name}"){before}'
    if kind is ProblemKind.NOT_FOUND and name == "__main__":
        return (
            "define the class or function in a module of its own, so that it has a name to load it by;"
            ' or exporter.extern("__main__") where the program that loads it defines it too'
        )
    if kind is ProblemKind.NOT_FOUND:
        return (
            f'install it, put the import in a try that catches ImportError, or exporter.mock("{name}")'
            f' or exporter.extern("{top}.**"){before}'
        )
    if kind is ProblemKind.SYNTAX:
        return f'mend the source, or exporter.extern("{name}") or exporter.mock("{name}"){before}'
    if kind is ProblemKind.BEYOND_TOP:
        return "write the import with fewer dots, or with the full name of the module"
    return "correct the name"
