"""The closure of a set of roots: all modules they need, what becomes of each, and why it is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hermpkg_build.analysis.import_resolution import (
    Meaning,
    ModuleLookup,
    Resolver,
    Verdict,
    package_of,
)
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.problems import Problem, ProblemKind
from hermpkg_build.analysis.rule_problems import malformed_patterns, unused_rules
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleKind, ModuleNode, Origin
from hermpkg_build.core.import_facts import (
    IMPORT_CONTEXTS,
    DynamicImport,
    Import,
    ImportContext,
    ImportForm,
    SourceUse,
    SyntaxProblem,
)
from hermpkg_build.core.module_names import is_module_name, parent_of, parents_of
from hermpkg_build.core.policy import Policy, PolicyRule, PolicyTable
from hermpkg_build.errors import Location
from hermpkg_build.source.source_facts import SourceFacts

_OPTIONAL = [bool(context & (ImportContext.TRY | ImportContext.CONDITIONAL)) for context in IMPORT_CONTEXTS]
_DEFERRED = [
    optional or bool(context & ImportContext.FUNCTION)
    for context, optional in zip(IMPORT_CONTEXTS, _OPTIONAL, strict=True)
]
_TYPE_CHECKING = [bool(context & ImportContext.TYPE_CHECKING) for context in IMPORT_CONTEXTS]
_WITH_SOURCE = (ModuleKind.SOURCE, ModuleKind.PACKAGE)
_PACKABLE = (*_WITH_SOURCE, ModuleKind.NAMESPACE)


class FactsProvider(Protocol):
    """Analyses modules, many at a time, so that it can do so in parallel."""

    def facts_of(self, modules: Sequence[ModuleSource]) -> Sequence[SourceFacts]:
        """The facts of each of `modules`, in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A module that is needed from the start.

    `source` names the target, pickle or call that needs it: ``//models:resnet``, ``model/model.pkl``,
    ``save_module``. `names` are those that a pickle asks of the module.
    """

    source: str
    module: str
    kind: EdgeKind
    location: Location | None = None
    names: tuple[str, ...] = ()


def pickle_roots(
    source: str, references: Iterable[tuple[str, str]], location: Location | None = None
) -> Iterator[Root]:
    """A root for each module, by name, of the (module, name) pairs that the pickle `source` refers to."""
    names: dict[str, list[str]] = {}
    for module, name in sorted(references):
        names.setdefault(module, []).append(name)
    for module, asked in names.items():
        yield Root(source=source, module=module, kind=EdgeKind.PICKLE, location=location, names=tuple(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """The modules that a set of roots needs.

    `type_only` are the imports that only type checkers follow; they are not in the graph. `unmet` are
    imports of modules that there are not, which is no error: they may fail, or mean something else;
    `absent` are those of functions that run without them until they are called. `unparsed` are modules that
    this Python cannot read and only optional imports lead to. `dynamic` and `uses_files` pair the name of an
    interned module with calls and uses that its source does not resolve.
    """

    graph: ModuleGraph
    type_only: tuple[Edge, ...] = ()
    unmet: tuple[Edge, ...] = ()
    absent: tuple[Edge, ...] = ()
    unparsed: tuple[Problem, ...] = ()
    dynamic: tuple[tuple[str, DynamicImport], ...] = ()
    uses_files: tuple[tuple[str, SourceUse], ...] = ()


def explore(
    roots: Sequence[Root],
    rules: Sequence[PolicyRule],
    finder: ModuleLookup,
    facts: FactsProvider,
    observed: Sequence[Edge] = (),
    *,
    without_imports: Collection[str] = (),
    whole_packages: bool = True,
    may_lack: Collection[Origin] = (),
    resolver: Resolver | None = None,
) -> tuple[Closure, Sequence[Problem]]:
    """Follow imports from `roots`; the first rule that matches a module decides what becomes of it.

    Interned modules are read and their imports followed, with their parents; extern and mocked
    ones are recorded. `observed` are imports that modules were seen to do while they ran; they count
    where reading their sources did not find them.
    What is wrong is returned as values, in the order of the walk, the problems of the rules last. Denied
    modules are in the graph; modules without a policy, and ones that would have to be read but cannot, are
    not. Of modules named in `without_imports` the imports are not followed. Unless `whole_packages`, the
    package of a packed module is a mere folder where no rule interns it, save where an import names it too
    (``import a.b`` names ``a``, ``from a import b`` does not) and a rule decides for it. Modules of an
    origin that `may_lack` what their functions import run without it as long as these are not called. A
    `resolver` of the same rules and finder spares what an earlier walk has worked out.
    """
    malformed = malformed_patterns(rules)
    if malformed:
        return Closure(graph=ModuleGraph({}, (), ())), malformed
    table = PolicyTable(rules)
    walk = _Walk(resolver or Resolver(table, finder), observed, without_imports, whole_packages, may_lack)
    for root in roots:
        walk.start(root)
    while wave := walk.next_wave():
        for source, found in zip(wave, facts.facts_of(wave), strict=True):
            walk.follow(source, found)
    closure = walk.closure(list(dict.fromkeys(root.source for root in roots)))
    problems = [*walk.problems]
    if walk.unparsed:
        # Code that only a condition leads to may be for another version of Python.
        others = closure.graph.optional_modules()
        problems += [problem for name, problem in walk.unparsed.items() if name not in others]
        unparsed = [problem for name, problem in walk.unparsed.items() if name in others]
        closure = replace(closure, unparsed=tuple(unparsed))
    return closure, [*problems, *unused_rules(table, finder, walk.verdicts, problems)]


class _Walk:
    """One breadth-first walk over imports; `verdicts` has every module that was reached."""

    def __init__(
        self,
        resolver: Resolver,
        observed: Sequence[Edge],
        without_imports: Collection[str],
        whole_packages: bool,
        may_lack: Collection[Origin],
    ) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.problems: list[Problem] = []
        self.unparsed: dict[str, Problem] = {}
        self._resolver = resolver
        self._without_imports = frozenset(without_imports)
        self._whole_packages = whole_packages
        self._may_lack = frozenset(may_lack)
        self._wave: list[ModuleSource] = []
        self._first_edge: dict[str, Edge] = {}
        self._conditional: set[str] = set()
        self._edges: dict[tuple[str, EdgeKind], dict[str, Edge]] = {}
        self._left_out: set[str] = set()
        self._digests: dict[str, Digest] = {}
        self._exports: dict[str, tuple[str, ...]] = {}
        self._stars: dict[str, list[Edge]] = {}
        self._type_only: dict[tuple[str, str], Edge] = {}
        self._unmet: dict[tuple[str, str], Edge] = {}
        self._absent: dict[tuple[str, str], Edge] = {}
        self._dynamic: list[tuple[str, DynamicImport]] = []
        self._uses: list[tuple[str, SourceUse]] = []
        self._observed: dict[str, list[Edge]] = {}
        for edge in observed:
            self._observed.setdefault(edge.source, []).append(edge)

    def next_wave(self) -> list[ModuleSource]:
        """The interned modules reached since the last call; their sources are to be followed."""
        wave, self._wave = self._wave, []
        return wave

    def start(self, root: Root) -> None:
        """Visit a root."""
        edge = Edge(source=root.source, target=root.module, kind=root.kind, location=root.location)
        verdict = self._resolver.verdict(root.module)
        if not is_module_name(root.module):
            self._report(ProblemKind.MALFORMED_NAME, edge, verdict)
        elif root.module == "__main__" and root.kind is EdgeKind.PICKLE and self._is_left_to_chance(verdict):
            self._report(ProblemKind.PROGRAM, edge, verdict, root.names)
        elif verdict.is_missing:
            self._report(ProblemKind.NOT_FOUND, edge, verdict, root.names)
        else:
            if root.kind is EdgeKind.PICKLE and verdict.policy is Policy.MOCK:
                self._report(ProblemKind.MOCKED_BUT_USED, edge, verdict, root.names)
            self._visit(edge)

    def _is_left_to_chance(self, main: Verdict) -> bool:
        """Whether no rule says what becomes of ``__main__``: one leaves it to the environment by its name."""
        if main.rule is None:
            return True
        return main.policy is Policy.EXTERN and "__main__" not in self._resolver.rule(main).include

    def follow(self, source: ModuleSource, found: SourceFacts) -> None:
        """Visit the imports of an interned module."""
        facts, name = found.facts, source.name
        self._digests[name] = found.digest
        if facts.syntax_problem is not None:
            edge = self._first_edge[name]
            problem = self._problem(
                ProblemKind.SYNTAX, edge, self.verdicts[name], syntax=facts.syntax_problem
            )
            if name not in self._conditional:
                self.problems.append(problem)
                return
            self.unparsed[name] = problem
        if name in self._without_imports:
            return
        self._dynamic += [(name, dynamic) for dynamic in facts.dynamic]
        self._uses += [(name, use) for use in facts.uses]
        package = package_of(source)
        for imported in facts.imports:
            self._follow_import(source, package, imported)
        for edge in self._observed.get(name, ()):
            # A module without a file was made by running code, which will make it again.
            known = edge.target in self._edges.get((name, EdgeKind.IMPORT), {})
            if not known and not self._resolver.verdict(edge.target).is_missing:
                self._visit(edge)
        self._exports[name] = facts.exports or ()
        for star in self._stars.pop(name, ()):
            self._visit_exports(star)

    def _follow_import(self, source: ModuleSource, package: str, imported: Import) -> None:
        if _TYPE_CHECKING[imported.context]:
            written = "." * imported.level + imported.module
            self._type_only.setdefault(
                (source.name, written), _edge(source, imported, written, optional=True)
            )
            return
        meaning = self._resolver.meaning(imported, package)
        if self._may_be_absent(source, imported, meaning):
            lacking = self._unmet if _OPTIONAL[imported.context] else self._absent
            lacking.setdefault((source.name, meaning.named), _edge(source, imported, meaning.named))
            if meaning.fault is None:
                return
        elif meaning.fault is not None and not _OPTIONAL[imported.context]:
            verdict = self._resolver.verdict(meaning.named)
            failing = _edge(source, imported, meaning.named)
            self._report(meaning.fault, failing, verdict, imported.names)
        else:
            for name in self._resolver.not_found(imported, meaning):
                self._unmet.setdefault((source.name, name), _edge(source, imported, name))
        known = self._edges.get((source.name, EdgeKind.IMPORT))
        for name in meaning.modules if self._whole_packages else self._named_by(imported, meaning):
            # The same pair again adds nothing, unless the import was optional and no longer is.
            edge = known.get(name) if known is not None else None
            if edge is not None and (not edge.optional or _OPTIONAL[imported.context]):
                continue
            if name != source.name:
                self._visit(_edge(source, imported, name))
        if imported.names == ("*",) and imported.form is ImportForm.FROM and meaning.fault is None:
            star = _edge(source, imported, meaning.named)
            if meaning.named in self._exports:
                self._visit_exports(star)
            else:
                self._stars.setdefault(meaning.named, []).append(star)

    def _may_be_absent(self, source: ModuleSource, imported: Import, meaning: Meaning) -> bool:
        """Whether there is no module of this name, and code of this origin runs until it is asked for."""
        return (
            source.origin in self._may_lack
            and _DEFERRED[imported.context]
            and meaning.fault in (None, ProblemKind.NOT_FOUND)
            and self._resolver.is_absent(meaning.named)
        )

    def _named_by(self, imported: Import, meaning: Meaning) -> tuple[str, ...]:
        """The modules that an import binds to names: submodules, with their package where it is named."""
        if imported.form in (ImportForm.IMPORT, ImportForm.DUNDER_IMPORT) and not imported.names:
            above = reversed([*parents_of(meaning.named)])
            return (*(name for name in above if self._resolver.verdict(name).is_decided), *meaning.modules)
        submodules = meaning.modules[1:]
        return submodules if submodules and len(submodules) == len(imported.names) else meaning.modules

    def _visit_exports(self, star: Edge) -> None:
        """A star import imports the submodules that ``__all__`` names."""
        for name in self._resolver.submodules_named(star.target, self._exports[star.target]):
            if name != star.source:
                self._visit(replace(star, target=name))

    def _visit(self, edge: Edge) -> None:
        """Record an edge; a module that is new gets its verdict, and its parents are visited."""
        while True:
            name = edge.target
            verdict = self._resolver.verdict(name)
            if verdict.is_unpacked_folder:
                return
            edges = self._edges.setdefault((edge.source, edge.kind), {})
            if name not in edges or (edges[name].optional and not edge.optional):
                edges[name] = edge
            if name in self.verdicts:
                return
            self.verdicts[name] = verdict
            self._first_edge[name] = edge
            if edge.optional or edge.source in self._conditional:
                self._conditional.add(name)
            self._judge(edge, verdict)
            parent = parent_of(name)
            if not parent or name in self._without_imports or not self._needs_parent(verdict, parent):
                return
            edge = Edge(source=name, target=parent, kind=EdgeKind.PARENT)

    def _needs_parent(self, verdict: Verdict, name: str) -> bool:
        """Packed code runs its parents' code first; what is not packed comes with parents of its own."""
        parent = self._resolver.verdict(name)
        if Policy.INTERN in (verdict.policy, parent.policy):
            if parent.source is None:
                return False
            both = verdict.policy is parent.policy and parent.source.kind in _PACKABLE
            return self._whole_packages or both
        return parent.policy in (Policy.EXTERN, Policy.MOCK)

    def _judge(self, edge: Edge, verdict: Verdict) -> None:
        source, name = verdict.source, edge.target
        if verdict.policy is None:
            self._left_out.add(name)
            self._report(ProblemKind.NO_POLICY, edge, verdict)
        elif verdict.policy is Policy.DENY:
            self._report(ProblemKind.DENIED, edge, verdict)
        elif verdict.policy is Policy.INTERN and source is not None:
            if source.kind in _WITH_SOURCE and not source.archive:
                self._wave.append(source)
            elif source.kind is not ModuleKind.NAMESPACE:
                self._left_out.add(name)
                if not self._is_made_by_packed_code(source):
                    self._report(ProblemKind.NO_SOURCE, edge, verdict)

    def _is_made_by_packed_code(self, source: ModuleSource) -> bool:
        """Whether the package of a module without a file is packed, and will make it again."""
        above = self._resolver.verdict(parent_of(source.name))
        packed = above.policy is Policy.INTERN and above.source is not None
        return source.is_made_by_code and packed

    def _report(self, kind: ProblemKind, edge: Edge, verdict: Verdict, names: tuple[str, ...] = ()) -> None:
        """Note what is wrong with the module that `edge` leads to."""
        self.problems.append(self._problem(kind, edge, verdict, names))

    def _problem(
        self,
        kind: ProblemKind,
        edge: Edge,
        verdict: Verdict,
        names: tuple[str, ...] = (),
        syntax: SyntaxProblem | None = None,
    ) -> Problem:
        return Problem(
            kind=kind,
            module=edge.target,
            trail=(*self._trail(edge.source), edge),
            source=verdict.source,
            rule=verdict.rule,
            names=names,
            syntax=syntax,
        )

    def _trail(self, name: str) -> tuple[Edge, ...]:
        """The edges from a root to `name`, by the way it was first reached."""
        trail: list[Edge] = []
        while name in self._first_edge:
            trail.append(self._first_edge[name])
            name = trail[-1].source
        return tuple(reversed(trail))

    def closure(self, roots: Sequence[str]) -> Closure:
        """The modules and edges found."""
        nodes = {
            name: self._node(name, verdict)
            for name, verdict in self.verdicts.items()
            if name not in self._left_out
        }
        edges = [edge for found in self._edges.values() for edge in found.values() if edge.target in nodes]
        return Closure(
            graph=ModuleGraph(nodes, edges, roots),
            type_only=tuple(self._type_only.values()),
            unmet=tuple(self._unmet.values()),
            absent=tuple(self._absent.values()),
            dynamic=tuple(self._dynamic),
            uses_files=tuple(self._uses),
        )

    def _node(self, name: str, verdict: Verdict) -> ModuleNode:
        source = verdict.source
        assert verdict.policy is not None
        return ModuleNode(
            name=name,
            policy=verdict.policy,
            kind=source.kind if source else ModuleKind.MISSING,
            origin=source.origin if source else Origin.MISSING,
            rule=verdict.rule,
            digest=self._digests.get(name),
            distribution=source.distribution if source else "",
            path=source.path if source else "",
        )


def _edge(source: ModuleSource, imported: Import, name: str, *, optional: bool = False) -> Edge:
    return Edge(
        source=source.name,
        target=name,
        kind=EdgeKind.IMPORT,
        location=Location(source.shown, imported.line, imported.column),
        optional=optional or _OPTIONAL[imported.context],
    )
