"""The next step for each problem: the exact line to add to a BUILD file, or the spelling that was meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from hermpkg_build.analysis.modules import ModuleFinder
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.rule_problems import literal_stem
from hermpkg_build.core.graph import EdgeKind, ModuleKind, Origin
from hermpkg_build.core.patterns import GlobGroup, covers
from hermpkg_build.core.policy import PolicyRule


class Remedies:
    """Knows what to do about problems of the policy `rules` of `target`."""

    def __init__(self, rules: Sequence[PolicyRule], finder: ModuleFinder, target: str) -> None:
        self._rules = rules
        self._finder = finder
        self._target = target

    def remedy(self, problem: Problem, others: Sequence[Problem] = ()) -> str:
        """The next step for `problem`, and for `others` that the same line would mend."""
        kind = problem.kind
        if kind is ProblemKind.NO_POLICY:
            return self._add(self._choices(problem))
        if kind is ProblemKind.DENIED:
            ways = [way for way in self._choices(problem) if not way.startswith("intern")]
            return "remove the import, or " + self._add([_rule("mock", problem), *ways], before=problem.rule)
        if kind is ProblemKind.MOCKED_BUT_USED:
            return self._add([_rule("intern", problem), _rule("extern", problem)], before=problem.rule)
        if kind is ProblemKind.NO_SOURCE:
            return self._take_outside(problem, others)
        if kind is ProblemKind.NOT_FOUND:
            return self._find(problem)
        if kind is ProblemKind.SYNTAX:
            return f"mend the file, or {self._add([_rule('extern', problem), _rule('mock', problem)])}"
        if kind is ProblemKind.EMPTY_RULE:
            return self._respell(problem)
        if kind is ProblemKind.DEAD_RULE:
            return (
                "put it before the rule that takes its modules, remove it, or give it allow_empty = True"
                if problem.earlier_rule is not None
                else "remove it, or give it allow_empty = True"
            )
        if kind is ProblemKind.MALFORMED_PATTERN:
            return 'write it as "name", "name.*" (one level) or "name.**" (name and all below it)'
        if kind is ProblemKind.BEYOND_TOP:
            return "write the import with fewer dots, or with the full name of the module"
        return "write a dotted name such as package.module"

    def _choices(self, problem: Problem) -> list[str]:
        """The rules that would take the module, the most fitting one first."""
        source = problem.source
        if source is None or source.origin is Origin.STDLIB:
            return [_rule("extern", problem)]
        if source.origin in (Origin.WORKSPACE, Origin.GENERATED):
            return [_rule("intern", problem)]
        owner = self._finder.distributions.named(source.distribution) if source.distribution else None
        compiled = source.kind is ModuleKind.EXTENSION or (
            owner is not None and self._finder.distributions.is_compiled(owner)
        )
        extern, intern = _rule("extern", problem), _rule("intern", problem)
        by_intern = problem.trail and problem.trail[-1].kind is EdgeKind.PARENT
        if by_intern:
            return [intern]
        return [extern] if compiled else [extern, intern]

    def _find(self, problem: Problem) -> str:
        name = problem.module
        file = undeclared_file(problem, self._finder)
        if file is not None:
            declared = self._finder.declared_by(file) if self._finder.declared_by else None
            if declared is not None:
                return f'add to the deps of the target that imports it:\n    "{declared}",'
            return f"list {file} in a python_modules target{self._build_file(file)} and add that to the deps"
        meant = self._similar(name)
        if meant and "." in name:
            return f"did you mean '{meant}'?"
        if problem.trail and problem.trail[-1].kind is EdgeKind.PICKLE and name == "__main__":
            return "define the class or function in a module of its own, so that it has a name to load it by"
        top = name.partition(".")[0]
        before = problem.rule
        ways = [_rule("extern", problem), _rule("mock", problem)]
        if self._finder.find(top) is None:
            question = f"did you mean '{meant}'? Else " if meant else ""
            return question + "install the distribution that has it, or " + self._add(ways, before=before)
        return self._add(ways, before=before)

    def _take_outside(self, problem: Problem, others: Sequence[Problem]) -> str:
        """Extern what has no source: a few parts of a package by name, so that the rest can be packed."""
        names = sorted({problem.module, *(other.module for other in others)})
        is_zipped = problem.source is not None and bool(problem.source.archive)
        if len(names) <= _FEW and all("." in name for name in names) and not is_zipped:
            return self._add([_line("extern", names)], before=problem.rule)
        rule = self._rules[problem.rule] if problem.rule is not None else None
        whole = f"{problem.module.partition('.')[0]}.**"
        if rule is not None and covers(GlobGroup(whole), GlobGroup(rule.include)):
            return f"put in place of {_placed(rule)}:\n    {_line('extern', [whole])}"
        return self._add([_rule("extern", problem)], before=problem.rule)

    def _build_file(self, file: str) -> str:
        """Where the nearest BUILD file above a workspace file is, in words."""
        folder = os.path.dirname(file)
        while True:
            for name in ("BUILD.bazel", "BUILD"):
                if self._finder.tree.is_file(os.path.join(self._finder.workspace_root, folder, name)):
                    return f" of {os.path.join(folder, name)}"
            if not folder:
                return ""
            folder = os.path.dirname(folder)

    def _similar(self, name: str) -> str:
        parent, _, tail = name.rpartition(".")
        siblings = [known.rpartition(".")[2] for known in self._finder.submodules(parent)]
        close = _closest(tail, siblings)
        return f"{parent}.{close}" if close and parent else close

    def _respell(self, problem: Problem) -> str:
        rule = self._rules[problem.rule] if problem.rule is not None else None
        for pattern in rule.include if rule else ():
            stem = literal_stem(pattern)
            if stem and self._finder.find(stem) is None:
                meant = self._similar(stem)
                if meant:
                    return f'did you mean "{meant}{pattern[len(stem) :]}"?'
        return "correct the pattern, remove the rule, or give it allow_empty = True"

    def _add(self, lines: Sequence[str], *, before: int | None = None) -> str:
        """Words for: put one of these lines into the policy, where it takes effect."""
        where = f"add to the policy of {self._target}"
        if before is not None:
            where += f" before {_placed(self._rules[before])}"
        if len(lines) > 1:
            where += " one of"
        return "\n".join([f"{where}:", *(f"    {line}" for line in lines)])


_FEW = 8
"""How many modules of one package are named one by one."""

_MEANINGS = {
    "extern": "imported from where the package is loaded",
    "intern": "its source goes into the package",
    "mock": "a stand-in that fails when it is used",
}


def _rule(policy: str, problem: Problem) -> str:
    """The line of Starlark that gives a problem's module a policy, with what it does."""
    name = problem.module
    top = name.partition(".")[0]
    is_parent = bool(problem.trail) and problem.trail[-1].kind is EdgeKind.PARENT
    stdlib = problem.source is not None and problem.source.origin is Origin.STDLIB
    pattern = name if is_parent or stdlib else f"{top}.**"
    return _line(policy, [pattern])


def _line(policy: str, patterns: Sequence[str]) -> str:
    quoted = ", ".join(f'"{pattern}"' for pattern in patterns)
    return f"{policy}({quoted if len(patterns) == 1 else f'[{quoted}]'}),  # {_MEANINGS[policy]}"


def _placed(rule: PolicyRule) -> str:
    return f"{rule} ({rule.location})" if rule.location else str(rule)


def undeclared_file(problem: Problem, finder: ModuleFinder) -> str | None:
    """The workspace file that would be the missing module, or one of the names imported from it."""
    names = [problem.module, *(f"{problem.module}.{name}" for name in problem.names)]
    return next((file for name in names if (file := finder.undeclared_file(name))), None)


def _closest(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return close[0] if close else ""
