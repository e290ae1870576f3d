"""Tells what an artifact leaves out although its code may ask for it, and what would add it.

None of this is an error: an import may fail, a name that is computed may mean other modules.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterator, Sequence

from hermpkg_build.analysis.advice import Adviser, Voice, advice_on_hook
from hermpkg_build.analysis.closure import Closure
from hermpkg_build.analysis.computed_names import ComputedNames, names_of_call
from hermpkg_build.analysis.files_read import FilesRead
from hermpkg_build.analysis.import_resolution import package_of
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.analysis.problems import MissingFile, Problem, ProblemKind
from hermpkg_build.analysis.sourceless_files import sourceless_file
from hermpkg_build.core.graph import Edge, EdgeKind
from hermpkg_build.core.import_facts import DynamicImport, ImportContext
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.core.sourceless import advice_on_sourceless
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.core.texts import listed
from hermpkg_build.errors import Location

_OWN = (Origin.WORKSPACE, Origin.GENERATED)
_SHOWN = 8
_MOST = 500
"""How many modules of one package are looked at."""

_SCANS = re.compile(rb"\b(?:iter_modules|walk_packages|spec_from_file_location|SourceFileLoader)\b")
"""What sources have in them that import what they find in folders."""


def left_out(
    closure: Closure,
    rules: Sequence[PolicyRule],
    finder: ModuleFinder,
    voice: Voice,
    told: Collection[str] = (),
) -> Iterator[str]:
    """A text for each thing that may be missed, with the next step; modules that were `told` of are not."""
    if not closure.graph.nodes:
        return  # A pattern is malformed.
    yield from unparsed_modules(closure)
    teller = _Teller(closure, rules, finder, voice)
    yield from teller.absent_modules(set(told))
    if absent := absent_libraries(closure):
        yield f"{absent}\n  -> nothing, where none of these is called; --strict-imports makes each an error"
    yield from teller.computed_names()


def undeclared_files(
    closure: Closure, rules: Sequence[PolicyRule], finder: ModuleFinder, voice: Voice
) -> list[MissingFile]:
    """The files that one's own modules import in ways that may fail, and that no dependency lists."""
    return [*_Teller(closure, rules, finder, voice).undeclared_files()] if closure.unmet else []


def absent_libraries(closure: Closure) -> str:
    """What functions of packed code import and there is not, in half a sentence; "" where that is nothing."""
    found: dict[str, str] = {}
    for edge in closure.absent:
        found.setdefault(edge.target, f"{edge.target} ({edge.location})")
    absent = listed([*found.values()], _SHOWN)
    return f"functions of packed code import modules that are not here, left out: {absent}" if found else ""


def _origin(closure: Closure, name: str) -> Origin | None:
    node = closure.graph.nodes.get(name)
    return node.origin if node is not None else None


def unparsed_modules(closure: Closure) -> Iterator[str]:
    """A text for each module that is packed although this Python cannot read it."""
    for problem in closure.unparsed:
        place = problem.source.shown if problem.source else problem.module
        syntax = problem.syntax
        assert syntax is not None
        yield (
            f"{Location(place, syntax.line, syntax.column)}: this Python cannot read '{problem.module}'; only"
            f" imports that may fail lead to it, so it is packed as it is: {syntax.message}"
        )


def files_left_out(files: FilesRead, packed: Collection[str], target: str = "") -> Iterator[str]:
    """A text for files that packed code seems to read and that are not among the records `packed`.

    The advice is for the BUILD file of `target`, a label, or for an exporter without one.
    """
    advice = "load those that the code needs before it is exported, or extern the package"
    own = [record for record in files.own if record not in packed]
    if own:
        yield (
            "packed code asks for its place and names files that are not in the artifact:"
            f" {listed(own, _SHOWN)}\n"
            "  -> list those that it reads in the resources of a python_modules target among the deps"
        )
    if target:
        libraries = [record for record in files.libraries if record not in packed]
        advice = _library_advice(libraries, target)
    yield from libraries_left_out(files, packed, advice)


def libraries_left_out(files: FilesRead, packed: Collection[str], advice: str) -> Iterator[str]:
    """A text for shared libraries that packed code may load and that are not among the records `packed`."""
    libraries = [record for record in files.libraries if record not in packed]
    if libraries:
        places = f" ({listed([str(place) for place in files.loading], _SHOWN)})" if files.loading else ""
        yield (
            f"packed code loads shared libraries by names that only run time knows{places};"
            f" not in the artifact: {listed(libraries, _SHOWN)}\n"
            f"  -> {advice}"
        )


def _library_advice(libraries: Sequence[str], target: str) -> str:
    globs = libraries
    if len(libraries) > _SHOWN:
        globs = sorted({f"{os.path.dirname(record)}/*.so*" for record in libraries})
    packed = ", ".join(f'"{glob}"' for glob in globs)
    return f"add those that the code needs to {target}: installed_files = [{packed}],"


class _Teller:
    """Tells what the modules of one closure leave out."""

    def __init__(
        self, closure: Closure, rules: Sequence[PolicyRule], finder: ModuleFinder, voice: Voice
    ) -> None:
        self._closure = closure
        self._graph = closure.graph
        self._table = PolicyTable(rules)
        self._finder = finder
        self._adviser = Adviser(
            problems=(), graph=closure.graph, rules=rules, modules=finder, environment=finder, voice=voice
        )

    def absent_modules(self, told: set[str]) -> Iterator[str]:
        """The imports of modules that are files of the workspace, or that a rule names by their names."""
        for edge in self._closure.unmet:
            if edge.target in told:
                continue
            text = self._undeclared(edge) if self._is_own(edge.source) else ""
            text = text or self._hooked(edge) or self._named_by_rule(edge)
            if text:
                told.add(edge.target)
                yield f"'{edge.target}' is imported at {edge.location} and left out: {text}"

    def computed_names(self) -> Iterator[str]:
        """The calls that import by names that run time computes, with the modules that these may be."""
        scanning = {name: use for name, use in self._closure.uses_files if self._scans(name)}
        observed = {edge.source for edge in self._graph.edges if edge.kind is EdgeKind.OBSERVED}
        calling = {name for name, _ in self._closure.dynamic}
        scans = [
            (name, DynamicImport("it searches folders", ImportContext.TOP_LEVEL, use.line, use.column))
            for name, use in scanning.items()
            if name not in calling
        ]
        calls = [one for one in (*self._closure.dynamic, *scans) if one[0] not in observed]
        told: set[str] = set()
        for name, call in sorted(calls, key=lambda one: self._names(*one) is None):
            missed = [one for one in self._missed(name, call, scanning) if one not in told]
            source = self._finder.find(name)
            if not missed or source is None:
                continue
            told.update(missed)
            lost = [one for one in missed if self._finder.find(one) is None]
            files = [file for one in lost if (file := self._finder.undeclared_file(one))]
            packed = ", ".join(f'"{one}"' for one in missed[:_SHOWN])
            listing = f"list {listed(files, _SHOWN)} in a python_modules target; " if files else ""
            place = Location(source.shown, call.line, call.column)
            yield (
                f"{place} imports modules by names that only run time knows: {call.text}\n"
                f"     not in the artifact: {listed(missed, _SHOWN)}\n"
                f"  -> {listing}name those that it needs, modules = [{packed}], and deny the others"
            )

    def undeclared_files(self) -> Iterator[MissingFile]:
        """The files of the workspace that one's own modules import and no dependency lists."""
        for edge in self._closure.unmet:
            file = self._undeclared_file(edge) if self._is_own(edge.source) else None
            if file is not None:
                yield MissingFile(file=file, importer=edge.source)

    def _undeclared_file(self, edge: Edge) -> str | None:
        """The file that an import means; None where there is none, or the name is a variable."""
        package, _, name = edge.target.rpartition(".")
        is_variable = package != edge.source and self._binds(package, name)
        return None if is_variable else self._finder.undeclared_file(edge.target)

    def _undeclared(self, edge: Edge) -> str:
        """Why a file of the workspace is left out; "" where none is."""
        file = self._undeclared_file(edge)
        if file is None:
            compiled = sourceless_file(edge.target, self._finder)
            return f"{compiled} has no source\n  -> {advice_on_sourceless(edge.target)}" if compiled else ""
        problem = Problem(kind=ProblemKind.NOT_FOUND, module=edge.target, trail=(edge,))
        advice = self._adviser.advice(problem)
        return f"{file} is there, but no dependency of the target lists it\n  -> {advice}"

    def _hooked(self, edge: Edge) -> str:
        """Why a module is left out that may be installed; "" where nothing points to that."""
        top = top_of(edge.target)
        hooks = self._finder.hooks_for(top) if self._finder.find(top) is None else []
        return f"it was not found\n  -> {advice_on_hook(hooks)}" if hooks else ""

    def _named_by_rule(self, edge: Edge) -> str:
        """Why a module is left out that a rule would pack; "" where no rule speaks of it in particular."""
        index = self._table.decide(edge.target)
        rule = self._table.rules[index] if index is not None else None
        if rule is None or rule.policy is not Policy.INTERN or self._finder.find(top_of(edge.target)):
            return ""
        if edge.target not in rule.include and f"{top_of(edge.target)}.**" not in rule.include:
            return ""
        return (
            f"there is no such module here, although {self._adviser.voice.located(rule)} packs it\n"
            "  -> install it where this is built, or take it out of the rule"
        )

    def _binds(self, package: str, name: str) -> bool:
        """Whether the code of a package binds a name itself."""
        source = self._finder.find(package) if package else None
        if source is None or source.origin is not Origin.WORKSPACE or not source.path.endswith(".py"):
            return False
        try:
            tree, _ = parse_module(self._finder.tree.read(source.path))
        except (SyntaxError, ValueError, OSError):
            return False
        return any(
            (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name)
            or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name)
            for node in ast.walk(tree)
        )

    def _missed(self, name: str, call: DynamicImport, scanning: Collection[str]) -> list[str]:
        """The modules that a call may import and the artifact lacks, unless it holds some that fit it."""
        source = self._finder.find(name)
        if source is None:
            return []
        package, is_own = package_of(source), self._is_own(name)
        computed = self._names(name, call)
        if computed is None and (not is_own or not package):
            return []
        names = computed or ComputedNames(package=package, pattern=re.compile(r".+"))
        if not is_own and any(names.pattern.fullmatch(known) for known in self._graph.nodes):
            return []
        found = self._modules_below(names)
        if is_own and (computed is not None or name in scanning):
            found += self._finder.undeclared_submodules(names.package)
        return sorted({one for one in found if one not in self._graph.nodes and self._is_wanted(one)})

    def _names(self, name: str, call: DynamicImport) -> ComputedNames | None:
        source = self._finder.find(name)
        return names_of_call(call.text, name, package_of(source)) if source else None

    def _modules_below(self, names: ComputedNames) -> list[str]:
        queue, found = [names.package], []
        for package in queue:
            for child in self._finder.submodules(package):
                if names.pattern.fullmatch(child):
                    found.append(child)
                if len(queue) < _MOST:
                    queue.append(child)
        return found

    def _is_wanted(self, name: str) -> bool:
        index = self._table.decide(name)
        return index is None or self._table.rules[index].policy is Policy.INTERN

    def _scans(self, name: str) -> bool:
        """Whether a module of one's own asks for its place and imports what it finds there."""
        source = self._finder.find(name)
        if source is None or not self._is_own(name):
            return False
        return _SCANS.search(self._text(source)) is not None

    def _text(self, source: ModuleSource) -> bytes:
        return source.data if source.data is not None else self._finder.tree.read(source.path)

    def _is_own(self, name: str) -> bool:
        return _origin(self._closure, name) in _OWN
