"""Tells the problems of a policy: the fault, its place, the chain from the root, and what mends it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from hermpkg_build.analysis.advice import Adviser, undeclared_file
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.sourceless_files import sourceless_file
from hermpkg_build.core.graph import Edge, EdgeKind
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.core.texts import counted, first_of
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.standard_library import interpreter
from hermpkg_build.errors import AnalysisError, Location
from hermpkg_build.source.normal_form import SourceError, normal_form

_SHOWN_ENDS = 5
"""How many links of a long chain are shown at each end."""

_MANY = 12
"""How many names of a long list are shown."""

_REST = "... {:,} more"

_ONE_RULE_MENDS = (
    ProblemKind.NO_POLICY,
    ProblemKind.DENIED,
    ProblemKind.NO_SOURCE,
    ProblemKind.MOCKED_BUT_USED,
)
_DECIDED = (*_ONE_RULE_MENDS, ProblemKind.NOT_FOUND, ProblemKind.PROGRAM)

_SUMMARIES = {
    ProblemKind.NO_POLICY: "no policy matches {name}",
    ProblemKind.DENIED: "{name} {be} denied",
    ProblemKind.NO_SOURCE: "{name} is to be interned, but {sourceless}",
    ProblemKind.MOCKED_BUT_USED: "{name} is mocked, but a pickle holds objects of it",
    ProblemKind.NOT_FOUND: "no module named {name}",
    ProblemKind.PROGRAM: "{name} is another program where the package is loaded, without what a pickle holds",
    ProblemKind.SYNTAX: "{name} does not parse: {syntax}",
    ProblemKind.BEYOND_TOP: "relative import {name} goes beyond the top-level package",
    ProblemKind.MALFORMED_NAME: "{name} cannot be the name of a module",
    ProblemKind.MALFORMED_PATTERN: "{name} is not a pattern",
    ProblemKind.EMPTY_RULE: "{of}{rule} matches no module",
    ProblemKind.DEAD_RULE: "{rule} never decides: rules before it take all that it matches",
}

_SOURCELESS = {
    ModuleKind.EXTENSION: "is an extension module",
    ModuleKind.BYTECODE: "is bytecode without its source",
    ModuleKind.BUILTIN: "is built into the interpreter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller(Adviser):
    """Tells the fault of each problem, its place, and what mends it."""

    _lines: dict[str, list[str]] = field(default_factory=dict, init=False)

    def groups(self) -> list[list[Problem]]:
        """The problems in their order, grouped by the rule or installation that would mend them.

        These are modules under one top-level name that the same rule decided or that are not
        installed, and several imports of one module that cannot be found.
        """
        groups: dict[object, list[Problem]] = {}
        for problem in self.problems:
            groups.setdefault(self._what_mends(problem), []).append(problem)
        return [*groups.values()]

    def _what_mends(self, problem: Problem) -> object:
        top = top_of(problem.module)
        if problem.kind in _ONE_RULE_MENDS:
            return problem.kind, problem.rule, top, problem.source.archive if problem.source else ""
        if problem.kind is ProblemKind.NOT_FOUND:
            return problem.kind, problem.module if self.modules.find(top) else top
        return id(problem)

    def summary(self, problem: Problem, others: Sequence[Problem] = ()) -> str:
        """The fault, as half a sentence."""
        name, source = f"'{problem.module}'", problem.source
        more = len({other.module for other in others} - {problem.module})
        if more:
            name += f" and {counted(more, 'more module')} of it"
        sourceless = _SOURCELESS.get(source.kind, "has no source") if source else ""
        return _SUMMARIES[problem.kind].format(
            name=name,
            be="are" if more else "is",
            sourceless="lies in a ZIP file" if source and source.archive else sourceless,
            syntax=problem.syntax.message if problem.syntax else "",
            rule=self._written(problem.rule),
            of=f'"{problem.module}" of ' if problem.module else "",
        )

    def facts(self, problem: Problem) -> Iterable[tuple[str, str]]:
        """The facts by name, without the chain of imports."""
        kind, source = problem.kind, problem.source
        if kind is ProblemKind.MALFORMED_PATTERN:
            yield "reason", problem.detail
        if kind in (*_DECIDED, ProblemKind.MALFORMED_PATTERN) and self._written(problem.rule):
            yield "rule", self._written(problem.rule, placed=kind in _DECIDED)
        if problem.names and problem.trail[-1].kind is EdgeKind.PICKLE:
            yield "objects", f"{', '.join(problem.names)} in {problem.trail[-1].source}"
        if kind is ProblemKind.NO_SOURCE and source is not None and source.path:
            yield "file", source.shown if source.origin is Origin.WORKSPACE else source.path
        if kind is ProblemKind.NOT_FOUND or (kind is ProblemKind.EMPTY_RULE and problem.module):
            yield from self._what_is_there(problem)
        if kind is ProblemKind.DEAD_RULE:
            if problem.earlier_rule is not None:
                yield "taken by", self._written(problem.earlier_rule, placed=True)
            yield "matches", "\n".join(first_of(problem.detail.splitlines(), _MANY, _REST))

    def _what_is_there(self, problem: Problem) -> Iterable[tuple[str, str]]:
        file = undeclared_file(problem, self.environment)
        if file is not None:
            yield "file", f"{file} is there, but no dependency of the target lists it"
            return
        if compiled := sourceless_file(problem.module, self.environment):
            yield "file", f"{compiled} is there, but has no source"
            return
        parent, _, tail = problem.module.rpartition(".")
        above = self.modules.find(parent) if parent else None
        if above is not None:
            what = "module" if above.kind is ModuleKind.SOURCE else "package"
            yield "found", f"the {what} '{parent}' ({above.shown or above.kind}), without '{tail}' in it"
        top = top_of(problem.module)
        for hook in self.environment.hooks_for(top):
            yield "not run", f"{hook}, which may add '{top}' when Python starts"
        yield "looked in", interpreter()

    def location(self, problem: Problem) -> Location | None:
        """Where the fault lies: in the source that does not parse, at the import, at the rule."""
        if problem.syntax is not None and problem.source is not None:
            return Location(problem.source.shown, problem.syntax.line, problem.syntax.column)
        if problem.trail:
            # A parent has no line of its own: the import of its child is what needs it.
            return next((edge.location for edge in reversed(problem.trail) if edge.location), None)
        rule = self.rules[problem.rule] if problem.rule is not None else None
        return rule.location if rule else None

    def snippet(self, problem: Problem) -> str:
        """The line at the location of a problem, with a caret under the column; "" where there is none."""
        location = self.location(problem)
        if problem.syntax is not None:
            return _with_caret(problem.syntax.text, problem.syntax.column)
        if location is None or not location.line:
            return ""
        importer = next((edge.source for edge in reversed(problem.trail) if edge.location), "")
        source = self.modules.find(importer)
        path = source.path if source else os.path.join(self.environment.workspace_root, location.path)
        known = path or importer
        if known not in self._lines:
            self._lines[known] = self._read_lines(path, source.data if source else None)
        lines = self._lines[known]
        return _with_caret(lines[location.line], location.column) if location.line < len(lines) else ""

    def _read_lines(self, path: str, data: bytes | None) -> list[str]:
        """The lines of a source behind an empty one, to count from 1; none where it cannot be read."""
        try:
            data = self.environment.tree.read(path) if data is None else data
            return normal_form(data).decode("utf-8", "replace").split("\n")
        except (OSError, SourceError):
            return []

    def _written(self, index: int | None, *, placed: bool = False) -> str:
        rule = self.rules[index] if index is not None else None
        if rule is None:
            return ""
        return f"{self.voice.rule(rule)}  {rule.location or ''}".rstrip() if placed else self.voice.rule(rule)


def errors_of(teller: Teller) -> list[AnalysisError]:
    """An error for each group of problems that one rule or installation would mend."""
    errors = []
    for problem, *others in teller.groups():
        facts = [*teller.facts(problem)]
        if others:
            also = [f"{other.module}  {_reason(other.trail[-1])}".rstrip() for other in others]
            facts.append(("also", "\n".join(first_of(also, _MANY, _REST))))
        if problem.trail:
            facts.append(("chain", "\n".join(chain_lines(problem.trail))))
        errors.append(
            AnalysisError(
                teller.summary(problem, others),
                location=teller.location(problem),
                facts=facts,
                snippet=teller.snippet(problem),
                next_step=teller.advice(problem, others),
            )
        )
    return errors


def chain_lines(trail: Sequence[Edge]) -> list[str]:
    """A chain of edges for people: the root, then a line for each module with the import that needs it."""
    if not trail:
        return []
    links = [(edge.target, _reason(edge)) for edge in trail]
    width = min(max(len(name) for name, _ in links), 48)
    lines = [f"  {name:<{width}}  {reason}".rstrip() for name, reason in links]
    if len(lines) > 2 * _SHOWN_ENDS + 1:
        between = f"  ... {len(lines) - 2 * _SHOWN_ENDS:,} more ..."
        lines = [*lines[:_SHOWN_ENDS], between, *lines[-_SHOWN_ENDS:]]
    return [trail[0].source, *lines]


def _reason(edge: Edge) -> str:
    if edge.kind is EdgeKind.PARENT:
        return f"the package of {edge.source}"
    reason = "" if edge.kind in (EdgeKind.IMPORT, EdgeKind.DECLARED) else str(edge.kind)
    return f"{reason} {edge.location or ''}".strip()


def _with_caret(line: str, column: int) -> str:
    """The line without its indentation, and a caret under the column (from 1; 0 for none)."""
    text = line.strip()
    if not column or not text:
        return text
    at = max(column - 1 - (len(line) - len(line.lstrip())), 0)
    return f"{text}\n{' ' * at}^"
