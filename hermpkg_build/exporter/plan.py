"""The calls of an exporter so far, as sources, roots and rules in their order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from hermpkg_build.analysis.closure import Root
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.rule_problems import malformed_patterns
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.errors import Location
from hermpkg_build.exporter.sources.program import with_program

_OWN_CODE = (f"{__name__.partition('.')[0]}.", "torch.")
"""Modules that never call an exporter of their own accord."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """The modules and the rules of an export; `version` changes with every change.

    `sources` are modules that came with a source, by dotted name, `saved` those whose sources are to be
    found, `without_imports` those of both whose imports are not followed.
    """

    sources: dict[str, ModuleSource] = field(default_factory=dict)
    saved: dict[str, None] = field(default_factory=dict)
    without_imports: set[str] = field(default_factory=set)
    roots: list[Root] = field(default_factory=list)
    rules: list[PolicyRule] = field(default_factory=list)
    version: int = 0

    def give_source(self, module: ModuleSource, *, cause: str, dependencies: bool) -> None:
        """Pack `module`, which has a source, in place of any other of its name."""
        self.saved.pop(module.name, None)
        self.sources[module.name] = module
        self._add_root(module.name, cause, dependencies)

    def save(self, name: str, *, cause: str, dependencies: bool) -> None:
        """Pack the module `name` with the source that the importers have, whatever the rules say."""
        self.sources.pop(name, None)
        self.saved[name] = None
        self._add_root(name, cause, dependencies)

    def need(self, name: str, *, cause: str, dependencies: bool) -> None:
        """Treat the module `name` by the rules."""
        if name not in self.sources and name not in self.saved:
            self._add_root(name, cause, dependencies)

    def add_roots(self, roots: Sequence[Root]) -> None:
        """Add modules that a pickle refers to."""
        self.roots += roots
        self.version += 1

    def add_rule(self, rule: PolicyRule) -> None:
        """Add a rule, which comes last. Raises ValueError for a malformed pattern."""
        for problem in malformed_patterns([rule]):
            raise ValueError(f"{problem.module!r} is no pattern: {problem.detail}")
        self.rules.append(rule)
        self.version += 1

    def _add_root(self, name: str, cause: str, dependencies: bool) -> None:
        self.without_imports.discard(name)
        if not dependencies:
            self.without_imports.add(name)
        self.roots.append(
            Root(source=cause, module=name, kind=EdgeKind.DECLARED, location=calling_location())
        )
        self.version += 1


def calling_location() -> Location | None:
    """The line outside of this package, and of torch's, from which the exporter was called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(_OWN_CODE):
            return Location(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def effective_rules(plan: Plan, mocked: Sequence[str]) -> Iterator[tuple[PolicyRule, int | None]]:
    """The rules of the analysis, each with the index of the given rule that it stands for.

    Saved modules are interned before any rule is asked. torch is never interned, for it is
    compiled; nor is the standard library because a wildcard happens to reach it. A module among
    `mocked`, which were mocked when the package they come from was made, stays mocked where a rule
    interns it: nothing else is left of it.
    """
    given = [*plan.sources, *plan.saved]
    stubs = [name for name in plan.saved if name in mocked]
    if stubs:
        yield PolicyRule(policy=Policy.MOCK, include=tuple(stubs), allow_empty=True), None
    if given:
        yield PolicyRule(policy=Policy.INTERN, include=tuple(given), allow_empty=True), None
    for index, given_rule in enumerate(plan.rules):
        include, exclude = with_program(given_rule.include), with_program(given_rule.exclude)
        rule = replace(given_rule, include=include, exclude=exclude)
        if rule.policy is not Policy.INTERN:
            yield rule, index
            continue
        group = GlobGroup(rule.include, exclude=rule.exclude)
        stubs = [name for name in mocked if group.matches(name)]
        if stubs:
            yield PolicyRule(policy=Policy.MOCK, include=tuple(stubs), allow_empty=True), index
        yield replace(rule, exclude=(*rule.exclude, *_never_interned(rule))), index


def _never_interned(rule: PolicyRule) -> list[str]:
    tops = [pattern.split(".", 1)[0] for pattern in rule.include]
    wild = GlobGroup([top for top in tops if "*" in top and top.strip("*")])
    return ["torch.**", *(f"{name}.**" for name in sorted(sys.stdlib_module_names) if wild.matches(name))]
