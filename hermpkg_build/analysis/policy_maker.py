"""Decides what imports reach, follows them by that, and decides again, until nothing changes.

Nothing is decided that the policy itself does not lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hermpkg_build.analysis.decisions import (
    FRAMEWORK,
    Candidate,
    Decision,
    decide,
    is_shared_by_nature,
)
from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.import_resolution import ModuleLookup
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.own_code import is_linked
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.rule_problems import beginning_like
from hermpkg_build.analysis.unused_distributions import unused_distributions
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.graph import EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import parents_of, top_of
from hermpkg_build.core.module_roles import ModuleKind, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, field, replace

_WITHOUT_SOURCE = (ModuleKind.EXTENSION, ModuleKind.BYTECODE, ModuleKind.BUILTIN)
_NOT_PLUGINS = ("console_scripts", "gui_scripts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller wants of the policy: `rules` come before all others, `named` are by name.

    A name is that of a distribution or of a top-level module. `failures` are the distributions whose code
    has failed in a package, with the reason. Unless `for_own`, names say nothing of one's own code. `loaded`
    are the modules that this process has loaded when the model has run in it, None where it has not; where
    what is asked to be extern `may_lack`, it counts as not loaded. What `matters` counts as loaded anyway.
    """

    rules: Sequence[PolicyRule] = ()
    named: Mapping[str, Policy] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    for_own: bool = True
    loaded: Collection[str] | None = None
    may_lack: bool = False
    matters: Collection[str] = ()

    def asked(self, name: str, modules: Iterable[str]) -> Policy | None:
        """What is to become of a distribution or a module."""
        for each in (name, *modules):
            for wish, policy in self.named.items():
                if each == wish or normalised(each) == normalised(wish):
                    return policy
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedImports:
    """Imports that were followed by some rules: the modules found, and what is wrong."""

    graph: ModuleGraph
    problems: Sequence[Problem]
    modules: ModuleLookup
    distributions: Distributions


def is_undecided(problem: Problem) -> bool:
    """Whether a module is at fault that no rule says anything of."""
    return problem.kind is ProblemKind.NO_POLICY


def is_installed_nowhere(problem: Problem) -> bool:
    """Whether an import asks for a module that is not found."""
    return problem.kind is ProblemKind.NOT_FOUND and problem.trail[-1].kind is not EdgeKind.PICKLE


def decide_imports(
    follow: Callable[[Sequence[Decision]], FollowedImports],
    wishes: Wishes,
    *,
    is_open: Callable[[Problem], bool] = is_undecided,
    is_absent: Callable[[Problem], bool] = is_installed_nowhere,
) -> list[Decision]:
    """Decide all that imports lead to, and return the decisions that are needed, by name.

    `follow` follows the imports by rules that carry out some decisions. `is_open` tells of a problem whether
    the rules leave its module to a decision, `is_absent` whether it is one of a library that is not
    installed. What a person must decide stays a problem.
    """
    maker = _Maker(follow, wishes, is_open, is_absent)
    maker.run()
    return maker.reached()


class _Maker:
    def __init__(
        self,
        follow: Callable[[Sequence[Decision]], FollowedImports],
        wishes: Wishes,
        is_open: Callable[[Problem], bool],
        is_absent: Callable[[Problem], bool],
    ) -> None:
        self._follow = follow
        self._wishes = wishes
        self._is_open = is_open
        self._is_absent = is_absent
        self._candidates: dict[str, Candidate] = {}
        self._requirements: dict[str, Collection[str]] = {}
        self._walk: FollowedImports

    def run(self) -> None:
        """Decide and follow until nothing is decided otherwise."""
        while True:
            self._walk = self._follow(self._decisions())
            if not self._learn():
                break

    def _decisions(self) -> list[Decision]:
        return [decide(candidate) for candidate in self._candidates.values()]

    def _learn(self) -> bool:
        """Take in what the last walk found; whether anything is decided otherwise now."""
        before = dict(self._candidates)
        for problem in self._walk.problems:
            self._take_in(problem)
        self._relate()
        return before != self._candidates

    def _take_in(self, problem: Problem) -> None:
        """Note the module at fault, unless the caller's own rules, or a person, must decide."""
        source = problem.source
        if self._is_open(problem) and source is not None:
            self._note(self._unit_of(problem.module))
        elif self._is_absent(problem):
            top = top_of(problem.module)
            is_part = self._walk.modules.find(top) is not None
            self._note(problem.module if is_part else top, is_found=False, is_part=is_part)
        elif problem.kind is ProblemKind.NO_SOURCE and source is not None:
            self._take_in_sourceless(problem.module, source)
        elif problem.kind in (ProblemKind.SYNTAX, ProblemKind.BEYOND_TOP, ProblemKind.MALFORMED_NAME):
            at_fault = problem.module if problem.kind is ProblemKind.SYNTAX else problem.trail[-1].source
            self._note(at_fault, is_readable=False, is_part=True)

    def _take_in_sourceless(self, module: str, source: ModuleSource) -> None:
        known = self._candidates.get(_name_of(self._unit_of(module), source))
        compiled = source.kind is ModuleKind.EXTENSION
        if known is None or known.is_own or known.asked:
            self._note(module, is_part=True, is_own=True, is_compiled=True, is_readable=compiled)
        else:
            self._candidates[known.name] = replace(
                known, is_compiled=known.is_compiled or compiled, is_readable=compiled
            )

    def _note(self, module: str, **known: bool) -> None:
        """Add a module to what is decided: to its distribution, or by itself."""
        source = self._walk.modules.find(module)
        is_part = known.get("is_part", False)
        name = module if is_part else _name_of(module, source)
        candidate = self._candidates.get(name)
        if candidate is None:
            facts: dict[str, Any] = {**_installed(source, self._distributions), **known}
            may_ask = self._wishes.for_own or not facts.get("is_own")
            candidate = Candidate(
                name=name,
                modules=(),
                asked=self._wishes.asked(name, (module,)) if may_ask else None,
                failure=self._wishes.failures.get(name, ""),
                **facts,
            )
        if module not in candidate.modules:
            candidate = replace(candidate, modules=tuple(sorted((*candidate.modules, module))))
        self._candidates[name] = candidate

    def _relate(self) -> None:
        """Tell each distribution which extern one needs it, or loads it as a plugin."""
        outside = [
            decision.name
            for decision in self._decisions()
            if decision.policy is Policy.EXTERN and not decision.is_optional
        ]
        needed: dict[str, str] = {}
        for name, first in _needed_by(self._distributions, outside):
            needed.setdefault(name, first)
        hosts = {
            normalised(name): decision.name
            for decision in self._decisions()
            if decision.policy is Policy.EXTERN and decision.version and not decision.is_optional
            for name in (decision.name, *decision.modules)
        }
        unused = {*self._unused()}
        for name, candidate in self._candidates.items():
            if candidate.version and not candidate.is_part:
                self._candidates[name] = replace(
                    candidate,
                    is_unused=name in unused,
                    needed_by=candidate.needed_by or needed.get(name, ""),
                    plugs_into=candidate.plugs_into or self._host_of(name, hosts),
                )

    def _unused(self) -> Iterator[str]:
        """The distributions that the model has done without, where it has run."""
        if self._wishes.loaded is None:
            return
        known = self._candidates.values()
        asked = {module for each in known if each.asked is Policy.EXTERN for module in each.modules}
        lacking = asked if self._wishes.may_lack else ()
        loaded = [name for name in self._wishes.loaded if {name, *parents_of(name)}.isdisjoint(lacking)]
        used = [*loaded, *self._wishes.matters]
        yield from unused_distributions(self._walk.graph, known, used, self._required_by)

    def _required_by(self, name: str) -> Collection[str]:
        if name not in self._requirements:
            found = self._distributions.named(name)
            others = self._distributions.requirements_of(found) if found else ()
            self._requirements[name] = {other.name for other in others}
        return self._requirements[name]

    def _host_of(self, name: str, hosts: Mapping[str, str]) -> str:
        """The extern distribution whose entry points a distribution fills; "" for none."""
        distribution = self._distributions.named(name)
        for group in self._distributions.entry_point_groups_of(distribution) if distribution else ():
            host = hosts.get(normalised(group.partition(".")[0]), "")
            if group not in _NOT_PLUGINS and host not in ("", name):
                return host
        return ""

    def reached(self) -> list[Decision]:
        """The decisions that decide for some module of the graph, by name."""
        names = list(self._walk.graph.nodes)
        found = []
        for decision in sorted(self._decisions(), key=lambda decision: decision.name):
            group = GlobGroup(decision.patterns)
            if any(map(group.matches, beginning_like(decision.patterns, names))):
                found.append(decision)
        return found

    def _unit_of(self, module: str) -> str:
        """The module that stands for all of its code: the first on the way to it that is no mere folder.

        Of one's own code, folders at the top count, too, unless distributions have modules in them.
        """
        find = self._walk.modules.find
        above = [*reversed([*parents_of(module)]), module]
        for name in above:
            source = find(name)
            if source is None:
                break
            if source.kind is not ModuleKind.NAMESPACE:
                if source.distribution:
                    return name
                path = source.path
                own = (each for each in above if not self._distributions.has_folder(each, beside=path))
                return next(own, module)
        return module

    @property
    def _distributions(self) -> Distributions:
        return self._walk.distributions


def decide_alone(module: str, source: ModuleSource | None, distributions: Distributions) -> Decision:
    """Decide what becomes of the distribution of one module, whatever else a package needs."""
    facts = _installed(source, distributions)
    name = _name_of(module, source)
    needed = {other for other, _ in _needed_by(distributions, ())}
    return decide(
        Candidate(
            name=name,
            modules=(top_of(module),),
            is_found=source is not None,
            needed_by=FRAMEWORK if name in needed else "",
            **facts,
        )
    )


def _installed(source: ModuleSource | None, distributions: Distributions) -> dict[str, Any]:
    """What the installed files say of a module, or of its distribution."""
    if source is None:
        return {}
    owner = distributions.named(source.distribution) if source.distribution else None
    if owner is None or is_linked(owner, source):
        return {"is_own": True, "version": owner.version if owner else ""}
    return {
        "version": owner.version,
        "is_compiled": distributions.is_compiled(owner),
        "is_readable": source.kind not in _WITHOUT_SOURCE,
        "is_shared_by_nature": is_shared_by_nature(distributions.classifiers_of(owner)),
    }


def _needed_by(distributions: Distributions, outside: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The distributions that those outside, and torch, require in the end, each with one of these."""
    for first in (FRAMEWORK, *outside):
        queue, seen = [first], {first}
        for name in queue:
            distribution = distributions.named(name)
            for other in distributions.requirements_of(distribution) if distribution else ():
                if other.name not in seen:
                    seen.add(other.name)
                    queue.append(other.name)
                    yield other.name, first


def _name_of(module: str, source: ModuleSource | None) -> str:
    return source.distribution if source is not None and source.distribution else module
