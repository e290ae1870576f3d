"""The next step for each problem: the exact rule to add and its place, or the spelling that was meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from hermpkg_build.analysis.decisions import Decision
from hermpkg_build.analysis.import_resolution import ModuleLookup
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.policy_maker import decide_alone
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.rule_problems import literal_stem, may_idle
from hermpkg_build.analysis.sourceless_files import sourceless_file
from hermpkg_build.core.globs import GlobGroup, covers
from hermpkg_build.core.graph import EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import record_of_module, top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.source_roots import advice_on_root
from hermpkg_build.core.sourceless import advice_on_sourceless
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.dataclass import dataclass, field

_NAMED = 8
"""How many modules of one package are named one by one."""

_LIKENESS = 0.75
"""How like the name of a suggested module must be: hundreds are installed."""

_MEANINGS = {
    Policy.EXTERN: "imported from where the package is loaded",
    Policy.INTERN: "its source goes into the package",
    Policy.MOCK: "a stand-in that fails when it is used",
}

_FROM_A_FACTORY = (
    "list its file in a python_modules target among the deps, put the folder that the factory takes it from"
    " on PYTHONPATH, or install the distribution that has it; where the factory's run has written the file,"
    " as of what is loaded with the code of a checkpoint, import the class from that code instead"
)

_WITHOUT_RULES = {
    ProblemKind.MALFORMED_PATTERN: 'write it as "name", "name.*" (one level) or "name.**" (all levels)',
    ProblemKind.BEYOND_TOP: "write the import with fewer dots, or with the full name of the module",
    ProblemKind.MALFORMED_NAME: "write a dotted name such as package.module",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How the people who gave a policy write its rules, and where.

    `rule` writes one, and `end` follows it. `add` says where a new one goes; `add_unsaved` says it for a
    module that was saved, and is therefore packed before any rule is asked. `allow_empty` is the default
    of rules.

    In a BUILD file: ``add to the policy of //a:b:`` and ``extern("lib.**"),``.
    """

    rule: Callable[[PolicyRule], str]
    end: str
    add: str
    add_unsaved: str = ""
    allow_empty: bool = False

    def located(self, rule: PolicyRule) -> str:
        """A rule with the place where it was given."""
        return f"{self.rule(rule)} ({rule.location})" if rule.location else self.rule(rule)


def build_file_voice(target: str) -> Voice:
    """How rules are written in the BUILD file of `target`, a label."""
    return Voice(rule=str, end=",", add=f"add to the policy of {target}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adviser:
    """Knows what to do about the `problems` of one walk over imports, in the `voice` of those who asked.

    `graph` has the modules found. `rules` are those that the indices in both count; None stands for
    modules that were saved. `modules` finds modules as the walk did, `environment` those that
    are installed.
    """

    problems: Sequence[Problem]
    graph: ModuleGraph
    rules: Sequence[PolicyRule | None]
    modules: ModuleLookup
    environment: ModuleFinder
    voice: Voice
    decided: Callable[[str], Decision | None] = lambda _: None
    _modules: dict[int, list[str]] = field(default_factory=dict, init=False)

    def advice(self, problem: Problem, others: Sequence[Problem] = ()) -> str:
        """The next step for `problem`, and for `others` that the same rule would mend."""
        kind = problem.kind
        if kind in _WITHOUT_RULES:
            return _WITHOUT_RULES[kind]
        if kind in (ProblemKind.EMPTY_RULE, ProblemKind.DEAD_RULE):
            return self._advice_on_rule(problem)
        if kind is ProblemKind.NOT_FOUND:
            return self._advice_on_missing(problem)
        if kind is ProblemKind.PROGRAM:
            return self._advice_on_program(problem)
        group = [problem, *others]
        names = tuple(sorted({each.module for each in group}))
        if kind is ProblemKind.NO_POLICY:
            # The package of an interned module alone says little of the other modules in it.
            lead = next((each for each in group if not _is_parent(each)), None)
            patterns = names if lead is None else (_whole(problem),)
            return self._give(self._fitting(lead or problem), patterns, problem)
        if kind is ProblemKind.DENIED and problem.source is None:
            file = undeclared_file(problem, self.environment)
            if file is not None:
                return self._advice_on_undeclared(file, problem)
            if self._is_of_factory(problem):
                return _FROM_A_FACTORY
        if kind is ProblemKind.DENIED:
            policies = self._fitting(problem)
            if not (_is_own(problem) or self._is_left(problem)):
                policies.append(Policy.MOCK)
            return f"remove the import, or {self._give(policies, self._denied(problem, names), problem)}"
        if kind is ProblemKind.MOCKED_BUT_USED:
            return self._give(self._fitting(problem), names, problem)
        if kind is ProblemKind.NO_SOURCE:
            return self._advice_on_sourceless(problem, names)
        if _is_own(problem):
            return "correct the file, or take it out of srcs and no longer import it"
        return f"correct the file, or {self._give([Policy.EXTERN, Policy.MOCK], names, problem)}"

    def _is_of_factory(self, problem: Problem) -> bool:
        """Whether a factory found or made a module of which a build finds nothing."""
        return (
            _last_kind(problem) is EdgeKind.PICKLE
            and not self.voice.allow_empty
            and self.modules.find(top_of(problem.module)) is None
        )

    def _is_left(self, problem: Problem) -> bool:
        """Whether the rule that decided is for all that no other is for."""
        rule = self._rule(problem)
        return rule is not None and rule.is_for_the_rest

    def _fitting(self, problem: Problem) -> list[Policy]:
        """The policies with which the module can be loaded and used."""
        source, rule = problem.source, self._rule(problem)
        if source is None or source.origin is Origin.STDLIB:
            return [Policy.EXTERN]
        if _is_own(problem) or _is_parent(problem):
            return [Policy.INTERN]
        # A module that is mocked though a rule interns it is a stub in the package that it comes from.
        is_stub = problem.kind is ProblemKind.MOCKED_BUT_USED and rule and rule.policy is Policy.INTERN
        if is_stub or source.kind is ModuleKind.EXTENSION:
            return [Policy.EXTERN]
        decision = self.decided(problem.module)
        decision = decision or decide_alone(problem.module, source, self.environment.distributions)
        return [decision.policy]

    def _denied(self, problem: Problem, names: tuple[str, ...]) -> tuple[str, ...]:
        """All of a top-level package where all of it is denied, else the modules by name."""
        rule, whole = self._rule(problem), _whole(problem)
        is_stdlib = problem.source is not None and problem.source.origin is Origin.STDLIB
        wide = rule is not None and covers(GlobGroup(rule.include, exclude=rule.exclude), GlobGroup(whole))
        return (whole,) if wide and not is_stdlib else names

    def _advice_on_sourceless(self, problem: Problem, names: tuple[str, ...]) -> str:
        """Extern what has no source: a few parts of a package by name, so that the rest can be packed."""
        source = problem.source
        is_zipped = source is not None and bool(source.archive)
        compiled = source is not None and source.kind is ModuleKind.EXTENSION
        by_name = len(names) <= _NAMED and all("." in name for name in names) and not is_zipped
        policies = [Policy.EXTERN] if compiled or is_zipped else [Policy.EXTERN, Policy.MOCK]
        return self._give(policies, names if by_name else (_whole(problem),), problem)

    def _advice_on_missing(self, problem: Problem) -> str:
        name = problem.module
        file = undeclared_file(problem, self.environment)
        if file is not None:
            return self._advice_on_undeclared(file, problem)
        if sourceless_file(name, self.environment):
            return advice_on_sourceless(name)
        meant = similar_module(name, self.environment)
        if meant and "." in name:
            return f"did you mean '{meant}'?"
        top = self.modules.find(top_of(name))
        if top is not None and top.origin is Origin.WORKSPACE:
            return f"write the module {name}, or take the import away"
        is_partly_there = top is not None
        give = self._give(
            [Policy.EXTERN, Policy.MOCK], (name,) if is_partly_there else (_whole(problem),), problem
        )
        if is_partly_there:
            return give
        if hooks := self.environment.hooks_for(top_of(name)):
            return f"{advice_on_hook(hooks)}, or {give}"
        question = f"did you mean '{meant}'? Else " if meant else ""
        if self._is_of_factory(problem):
            return question + _FROM_A_FACTORY
        is_imported = _last_kind(problem) is EdgeKind.IMPORT
        attempt = ", import it in a try that catches ImportError" if is_imported else ""
        return f"{question}install the distribution that has it{attempt}, or {give}"

    def _advice_on_program(self, problem: Problem) -> str:
        """How to give what the running program defines a name to load it by."""
        has_source = problem.source is not None and problem.source.kind is ModuleKind.SOURCE
        policies = [Policy.INTERN, Policy.EXTERN] if has_source else [Policy.EXTERN]
        return (
            "define the class or function in a module of its own, so that it has a name to load it by,"
            f" or {self._give(policies, (problem.module,), problem)}"
        )

    def _advice_on_undeclared(self, file: str, problem: Problem) -> str:
        """How to have a file of the workspace packed."""
        missing = _missing_root(file, problem, self.environment)
        if missing is not None:
            return advice_on_root(missing, self.environment.source_roots)
        declared = self.environment.declared_by(file) if self.environment.declared_by else None
        if declared is not None:
            return f'add to the deps of the target that imports it:\n    "{declared}",'
        return f"list {file} in a python_modules target{self._build_file(file)} and add that to the deps"

    def _build_file(self, file: str) -> str:
        """Where the nearest BUILD file above a workspace file is, in words."""
        while file:
            file = os.path.dirname(file)
            for name in self.environment.build_names:
                if self.environment.tree.is_file(os.path.join(self.environment.workspace_root, file, name)):
                    return f" of {os.path.join(file, name)}"
        return ""

    def _advice_on_rule(self, problem: Problem) -> str:
        rule = self._rule(problem)
        if problem.module and (file := undeclared_file(problem, self.environment)):
            return self._advice_on_undeclared(file, problem)
        allow = "leave out allow_empty=False" if self.voice.allow_empty else "give it allow_empty = True"
        if problem.kind is ProblemKind.DEAD_RULE:
            first = problem.earlier_rule is not None
            before = "put it before the rule that takes its modules, " if first else ""
            return f"{before}remove it, or {allow}"
        patterns = rule.include if rule else ()
        if problem.kind is ProblemKind.EMPTY_RULE and problem.module:
            patterns = (problem.module,)
        if meant := self.meant_by(patterns):
            return f'did you mean "{meant}"?'
        return f"correct the pattern, remove the rule, or {allow}"

    def meant_by(self, patterns: Sequence[str]) -> str:
        """The pattern that is meant by one of `patterns` for modules that there are not; "" for none."""
        for pattern in patterns:
            stem = literal_stem(pattern)
            missing = stem and self.modules.find(stem) is None
            if meant := similar_module(stem, self.environment) if missing else "":
                return meant + pattern[len(stem) :]
        return ""

    def _rule(self, problem: Problem) -> PolicyRule | None:
        return self.rules[problem.rule] if problem.rule is not None else None

    def _give(self, policies: Sequence[Policy], patterns: tuple[str, ...], problem: Problem) -> str:
        """The words to give one of these rules where it takes effect and leaves no other without a module."""
        voice, rule = self.voice, self._rule(problem)
        if rule is not None and self._is_replaced(rule, patterns, problem):
            where = f"put in place of {voice.located(rule)}"
        elif rule is not None:
            where = f"{voice.add} before {voice.located(rule)}"
        else:
            where = voice.add if problem.rule is None else voice.add_unsaved
        lines = [f"{where} one of:" if len(policies) > 1 else f"{where}:"]
        for policy in policies:
            new = PolicyRule(policy=policy, include=patterns, allow_empty=voice.allow_empty)
            lines.append(f"    {voice.rule(new)}{voice.end}  # {_MEANINGS[policy]}")
        return "\n".join(lines)

    def _is_replaced(self, rule: PolicyRule, patterns: tuple[str, ...], problem: Problem) -> bool:
        """Whether one for `patterns` would leave `rule` behind it without a module, which is an error."""
        if rule.allow_empty or problem.rule is None:
            return False
        group = GlobGroup(patterns)
        return covers(group, GlobGroup(rule.include)) or (
            not may_idle(rule) and all(map(group.matches, self._modules_of(problem.rule)))
        )

    def _modules_of(self, rule: int) -> list[str]:
        """The modules that a rule decided, by its index; counted once, however many problems ask."""
        if rule not in self._modules:
            names = [node.name for node in self.graph if node.rule == rule]
            self._modules[rule] = names + [each.module for each in self.problems if each.rule == rule]
        return self._modules[rule]


def _last_kind(problem: Problem) -> EdgeKind | None:
    """How the module of a problem is led to."""
    return problem.trail[-1].kind if problem.trail else None


def advice_on_hook(hooks: Sequence[str]) -> str:
    """How to have modules found that only code makes importable which runs when Python starts."""
    return (
        f"it may be installed in a way that is not followed here ({', '.join(hooks)}): install it without"
        " --editable, or put its folder on PYTHONPATH"
    )


def similar_module(name: str, finder: ModuleFinder) -> str:
    """The module whose name is most like that of one that is not found; "" where none is."""
    parent, _, tail = name.rpartition(".")
    siblings = [known.rpartition(".")[2] for known in finder.submodules(parent)]
    close = did_you_mean(tail, siblings, likeness=_LIKENESS)
    return f"{parent}.{close}" if close and parent else close


def undeclared_file(problem: Problem, finder: ModuleFinder) -> str | None:
    """The workspace file that would be the missing module, or one of the names imported from it."""
    return next((file for name in _names(problem) if (file := finder.undeclared_file(name))), None)


def _names(problem: Problem) -> list[str]:
    return [problem.module, *(f"{problem.module}.{name}" for name in problem.names)]


def _missing_root(file: str, problem: Problem, finder: ModuleFinder) -> str | None:
    """The folder without which among the source roots the file is not the missing module; None for none."""

    def is_at(root: str) -> bool:
        records = [record_of_module(name, kind) for name in _names(problem) for kind in (True, False)]
        return any(f"{root}/{record}".lstrip("/") == file for record in records)

    if any(map(is_at, finder.source_roots)):
        return None
    return next(filter(is_at, finder.missing_roots), None)


def _whole(problem: Problem) -> str:
    """The pattern for all of the module's top-level package."""
    return f"{top_of(problem.module)}.**"


def _is_parent(problem: Problem) -> bool:
    """Whether the module is needed as the package of an interned one."""
    return _last_kind(problem) is EdgeKind.PARENT


def _is_own(problem: Problem) -> bool:
    """Whether only the package can have the module: it is installed nowhere."""
    return problem.source is not None and problem.source.origin in (Origin.WORKSPACE, Origin.GENERATED)
