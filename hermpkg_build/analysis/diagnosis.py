"""Problems told to people: what is wrong, where, the chain from the target, and the line that mends it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from hermpkg_build.analysis.modules import ModuleFinder
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.remedies import Remedies, undeclared_file
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleKind
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import AnalysisError, Location

_SHOWN_ENDS = 5
"""How many links of a long chain are shown at each end."""

_MANY = 12
"""How many names of a long list are shown."""

_DECIDED = (ProblemKind.DENIED, ProblemKind.NO_SOURCE, ProblemKind.MOCKED_BUT_USED)

_NO_SOURCE = {
    ModuleKind.EXTENSION: "is an extension module",
    ModuleKind.BYTECODE: "is bytecode without its source",
    ModuleKind.BUILTIN: "is built into the interpreter",
}


def describe_all(
    problems: Sequence[Problem], *, rules: Sequence[PolicyRule], finder: ModuleFinder, target: str
) -> list[AnalysisError]:
    """An error for each problem, in their order; what one line would mend makes one error.

    Those are modules under one top-level name that the same rule decided or that are not
    installed, and several imports of one module that is not to be found.
    """
    groups: dict[object, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_what_mends(problem, finder), []).append(problem)
    describer = _Describer(rules, finder, target)
    return [describer.describe(first, others) for first, *others in groups.values()]


def _what_mends(problem: Problem, finder: ModuleFinder) -> object:
    if problem.kind in (ProblemKind.NO_POLICY, ProblemKind.DENIED, ProblemKind.NO_SOURCE):
        archive = problem.source.archive if problem.source else ""
        return problem.kind, problem.rule, problem.module.partition(".")[0], archive
    if problem.kind is ProblemKind.NOT_FOUND:
        top = problem.module.partition(".")[0]
        return problem.kind, problem.module if finder.find(top) else top
    return id(problem)


class _Describer:
    """Turns problems into errors, with the rules, files and labels of one target at hand."""

    def __init__(self, rules: Sequence[PolicyRule], finder: ModuleFinder, target: str) -> None:
        self._rules = rules
        self._finder = finder
        self._remedies = Remedies(rules, finder, target)

    def describe(self, problem: Problem, others: Sequence[Problem]) -> AnalysisError:
        location = self._location(problem)
        facts = [*self._facts(problem)]
        if others:
            facts.append(("also", _listed(_where(other) for other in others)))
        if problem.trail:
            facts.append(("chain", chain_text(problem.trail)))
        return AnalysisError(
            self._summary(problem, others),
            location=location,
            facts=facts,
            snippet=self._snippet(problem, location),
            next_step=self._remedies.remedy(problem, others),
        )

    def _summary(self, problem: Problem, others: Sequence[Problem]) -> str:
        name = f"'{problem.module}'"
        more = {other.module for other in others} - {problem.module}
        if more:
            name += f" and {len(more)} more module{'s' if len(more) > 1 else ''} of it"
        kind, source = problem.kind, problem.source
        if kind is ProblemKind.NO_POLICY:
            return f"no policy matches {name}"
        if kind is ProblemKind.DENIED:
            return f"{name} {'are' if more else 'is'} denied"
        if kind is ProblemKind.NO_SOURCE and source is not None:
            reason = "lies in a ZIP file" if source.archive else _NO_SOURCE.get(source.kind, "has no source")
            return f"{name} is to be interned, but {reason}"
        if kind is ProblemKind.MOCKED_BUT_USED:
            return f"{name} is mocked, but a pickle holds objects of it"
        if kind is ProblemKind.NOT_FOUND:
            return f"no module named {name}"
        if kind is ProblemKind.SYNTAX and problem.syntax is not None:
            return f"{name} does not parse: {problem.syntax.message}"
        if kind is ProblemKind.BEYOND_TOP:
            return f"relative import {name} goes beyond the top-level package"
        if kind is ProblemKind.MALFORMED_NAME:
            return f"{name} cannot be the name of a module"
        if kind is ProblemKind.MALFORMED_PATTERN:
            return f"{name} is no pattern"
        if kind is ProblemKind.EMPTY_RULE:
            return f"{self._rule(problem.rule)} matches no module"
        return f"{self._rule(problem.rule)} never decides: rules before it take all that it matches"

    def _facts(self, problem: Problem) -> Iterable[tuple[str, str]]:
        if problem.kind in _DECIDED and problem.rule is not None:
            yield "rule", self._placed_rule(problem.rule)
        if problem.kind is ProblemKind.MOCKED_BUT_USED:
            yield "objects", ", ".join(problem.names)
        if problem.kind is ProblemKind.NO_SOURCE and problem.source is not None:
            yield "file", problem.source.shown or "none"
        if problem.kind is ProblemKind.NOT_FOUND:
            yield from self._what_is_there(problem)
        if problem.kind is ProblemKind.MALFORMED_PATTERN:
            yield "reason", problem.detail
            yield "rule", self._rule(problem.rule)
        if problem.kind is ProblemKind.DEAD_RULE:
            if problem.earlier_rule is not None:
                yield "taken by", self._placed_rule(problem.earlier_rule)
            yield "matches", _listed(problem.detail.splitlines())

    def _what_is_there(self, problem: Problem) -> Iterable[tuple[str, str]]:
        name = problem.module
        file = undeclared_file(problem, self._finder)
        if file is not None:
            yield "file", f"{file} is there, but no dependency of the target lists it"
            return
        parent, _, tail = name.rpartition(".")
        above = self._finder.find(parent) if parent else None
        if above is not None:
            what = "module" if above.kind is ModuleKind.SOURCE else "package"
            yield "found", f"the {what} '{parent}' ({above.shown or above.kind}), without '{tail}' in it"
        top = name.partition(".")[0]
        for path in self._finder.search_path.startup_code:
            if top in os.path.basename(path) or top.encode() in self._finder.tree.read(path):
                yield "not run", f"{os.path.basename(path)}, which may add '{top}' when Python starts"

    def _location(self, problem: Problem) -> Location | None:
        if problem.kind is ProblemKind.SYNTAX and problem.syntax is not None:
            source = self._finder.find(problem.module)
            path = source.shown if source else problem.module
            return Location(path, problem.syntax.line, problem.syntax.column)
        if problem.trail:
            # A parent has no line of its own: the import of its child is what needs it.
            return next((edge.location for edge in reversed(problem.trail) if edge.location), None)
        return self._rules[problem.rule].location if problem.rule is not None else None

    def _snippet(self, problem: Problem, location: Location | None) -> str:
        if problem.syntax is not None:
            return _with_caret(problem.syntax.text, problem.syntax.column)
        if location is None or not location.line:
            return ""
        importer = next((edge.source for edge in reversed(problem.trail) if edge.location), "")
        source = self._finder.find(importer)
        path = source.path if source else os.path.join(self._finder.workspace_root, location.path)
        try:
            lines = _decoded(self._finder.tree.read(path)).splitlines()
        except OSError:
            return ""
        if location.line > len(lines):
            return ""
        return _with_caret(lines[location.line - 1], location.column)

    def _rule(self, index: int | None) -> str:
        return str(self._rules[index]) if index is not None else ""

    def _placed_rule(self, index: int) -> str:
        location = self._rules[index].location
        return f"{self._rules[index]}  {location}" if location else str(self._rules[index])


def chain_text(trail: Sequence[Edge]) -> str:
    """A chain of edges for people: the root, then a line for each module with the import that needs it."""
    links = [(edge.target, _reason(edge)) for edge in trail]
    width = min(max(len(name) for name, _ in links), 48)
    lines = [f"{name:<{width}}  {reason}".rstrip() for name, reason in links]
    if len(lines) > 2 * _SHOWN_ENDS + 1:
        between = f"... {len(lines) - 2 * _SHOWN_ENDS:,} more ..."
        lines = [*lines[:_SHOWN_ENDS], between, *lines[-_SHOWN_ENDS:]]
    return "\n".join([trail[0].source, *(f"  {line}" for line in lines)])


def _reason(edge: Edge) -> str:
    if edge.kind is EdgeKind.PARENT:
        return f"the package of {edge.source}"
    reason = "" if edge.kind in (EdgeKind.IMPORT, EdgeKind.DECLARED) else str(edge.kind)
    return f"{reason} {edge.location or ''}".strip()


def _where(problem: Problem) -> str:
    edge = problem.trail[-1]
    return f"{problem.module}  {_reason(edge)}".rstrip()


def _listed(names: Iterable[str]) -> str:
    lines = list(names)
    if len(lines) > _MANY:
        lines = [*lines[:_MANY], f"... {len(lines) - _MANY:,} more"]
    return "\n".join(lines)


def _with_caret(line: str, column: int) -> str:
    """The line without its indentation, and a caret under the column (from 1; 0 for none)."""
    text = line.strip()
    if not column or not text:
        return text
    at = max(column - 1 - (len(line) - len(line.lstrip())), 0)
    return f"{text}\n{' ' * at}^"


def _decoded(data: bytes) -> str:
    import io
    import tokenize

    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError:
        encoding = "utf-8"
    return data.decode(encoding, "replace")
