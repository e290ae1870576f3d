"""The closure of a set of roots: all modules they need, what becomes of each, and why it is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from hermpkg_build.analysis.import_following import (
    WITH_SOURCE,
    Fault,
    Followed,
    Follower,
)
from hermpkg_build.analysis.import_resolution import ModuleLookup, Resolver, Verdict
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.problems import Problem, ProblemKind, Trail
from hermpkg_build.analysis.rule_problems import malformed_patterns, unused_rules
from hermpkg_build.analysis.walked_links import WalkedLinks, node_of
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.import_facts import DynamicImport, SourceUse, SyntaxProblem
from hermpkg_build.core.module_names import is_module_name, parent_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import Location
from hermpkg_build.source.source_facts import SourceFacts


class FactsProvider(Protocol):
    """Analyses modules, many at a time, so that it can do so in parallel."""

    def facts_of(self, modules: Sequence[ModuleSource]) -> Sequence[SourceFacts]:
        """The facts of each of `modules`, in their order."""
        ...


class Imports(Protocol):
    """Follows the imports of modules for one walk, and makes their nodes."""

    @property
    def follower(self) -> Follower:
        """Return what decides for modules that the walk begins with."""
        ...

    def followed(self, modules: Sequence[ModuleSource]) -> Sequence[tuple[Followed, Follower]]:
        """Follow the imports of each of `modules`, in their order; with what decides for their targets."""
        ...

    def node(self, name: str, verdict: Verdict, digest: Digest | None) -> ModuleNode:
        """Return the node of a module."""
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


class OwnImports:
    """Follows imports for one walk alone."""

    def __init__(self, follower: Follower, facts: FactsProvider) -> None:
        self.follower = follower
        self._facts = facts

    def followed(self, modules: Sequence[ModuleSource]) -> list[tuple[Followed, Follower]]:
        """See `Imports`."""
        follower = self.follower
        found = zip(modules, self._facts.facts_of(modules), strict=True)
        return [(follower.follow(source, facts), follower) for source, facts in found]

    def node(self, name: str, verdict: Verdict, digest: Digest | None) -> ModuleNode:
        """See `Imports`."""
        return node_of(name, verdict, digest)


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
    resolver = resolver or Resolver(PolicyTable(rules), finder)
    follower = Follower(resolver, whole_packages=whole_packages, may_lack=may_lack)
    return walk_imports(roots, OwnImports(follower, facts), observed, without_imports=without_imports)


def walk_imports(
    roots: Sequence[Root],
    imports: Imports,
    observed: Sequence[Edge] = (),
    *,
    without_imports: Collection[str] = (),
) -> tuple[Closure, Sequence[Problem]]:
    """Follow `imports` from `roots`, as `explore` does."""
    walk = _Walk(imports, observed, without_imports)
    for root in roots:
        walk.start(root)
    while wave := walk.next_wave():
        for source, (found, follower) in zip(wave, imports.followed(wave), strict=True):
            walk.follow(source, found, follower)
    closure = walk.closure(list(dict.fromkeys(root.source for root in roots)))
    problems = [*walk.problems]
    if walk.unparsed:
        # Code that only a condition leads to may be for another version of Python.
        others = closure.graph.optional_modules()
        problems += [problem for name, problem in walk.unparsed.items() if name not in others]
        unparsed = [problem for name, problem in walk.unparsed.items() if name in others]
        closure = replace(closure, unparsed=tuple(unparsed))
    resolver = imports.follower.resolver
    return closure, [*problems, *unused_rules(resolver.table, resolver.finder, walk.verdicts, problems)]


class _Walk:
    """One breadth-first walk over imports; `verdicts` has every module that was reached."""

    def __init__(self, imports: Imports, observed: Sequence[Edge], without_imports: Collection[str]) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.problems: list[Problem] = []
        self.unparsed: dict[str, Problem] = {}
        self._imports = imports
        self._own = imports.follower
        self._without_imports = frozenset(without_imports)
        self._wave: list[ModuleSource] = []
        self._reached_by: dict[str, tuple[Followed, int] | Edge] = {}
        """The import that first led to a module, or the edge where that was no import as written."""
        self._trails: dict[str, Trail] = {}
        self._conditional: set[str] = set()
        self._followed: dict[str, Followed] = {}
        self._edges: dict[tuple[str, EdgeKind], dict[str, Edge]] = {}
        self._parents: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._has_optional = False
        self._digests: dict[str, Digest] = {}
        self._pickled: set[str] = set()
        """Modules without which a pickle cannot be loaded, whatever a rule says."""
        self._stars: dict[str, list[Edge]] = {}
        self._exporters: dict[str, Follower] = {}
        self._notable: list[Followed] = []
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
        verdict = self._own.verdict(root.module)
        if not is_module_name(root.module):
            self._report(ProblemKind.MALFORMED_NAME, edge, verdict)
        elif root.module == "__main__" and root.kind is EdgeKind.PICKLE and self._is_left_to_chance(verdict):
            self._report(ProblemKind.PROGRAM, edge, verdict, root.names)
        elif verdict.is_missing:
            self._report(ProblemKind.NOT_FOUND, edge, verdict, root.names)
        else:
            if root.kind is EdgeKind.PICKLE and verdict.policy is Policy.MOCK:
                self._report(ProblemKind.MOCKED_BUT_USED, edge, verdict, root.names)
            if root.kind is EdgeKind.PICKLE and verdict.is_optional:
                self._pickled.add(root.module)
            self._visit(edge, self._own)

    def _is_left_to_chance(self, main: Verdict) -> bool:
        """Whether no rule says what becomes of ``__main__``: one leaves it to the environment by its name."""
        if main.rule is None:
            return True
        return main.policy is Policy.EXTERN and "__main__" not in self._own.resolver.rule(main).include

    def follow(self, source: ModuleSource, found: Followed, follower: Follower) -> None:
        """Visit the imports of an interned module."""
        name = source.name
        self._digests[name] = found.digest
        self._has_optional = self._has_optional or found.needed is not found.targets
        if name in self._without_imports:
            return
        if found.syntax_problem is not None and not self._tolerates(name, found.syntax_problem):
            return
        self._followed[name] = found
        if found.exports:
            self._exporters[name] = follower
        if found.has_more:
            self._notable.append(found)
        if found.events:
            self._visit_with_events(found, follower)
        else:
            verdicts = self.verdicts
            for at, target in enumerate(found.targets):
                if target not in verdicts:
                    self._reach_import(found, at, target, follower)
        for edge in self._observed.get(name, ()) if self._observed else ():
            # A module without a file was made by running code, which will make it again.
            known = edge.target in found.targets or edge.target in self._edges.get(
                (name, EdgeKind.IMPORT), {}
            )
            if not known and not self._own.verdict(edge.target).is_missing:
                self._visit(edge, self._own)
        for star in self._stars.pop(name, ()) if self._stars else ():
            self._visit_exports(star)

    def _tolerates(self, name: str, problem: SyntaxProblem) -> bool:
        """Note that a module does not parse; whether only a condition leads to it."""
        found = self._problem(ProblemKind.SYNTAX, self._edge_to(name), self.verdicts[name], syntax=problem)
        if name not in self._conditional:
            self.problems.append(found)
            return False
        self.unparsed[name] = found
        return True

    def _visit_with_events(self, found: Followed, follower: Follower) -> None:
        start = 0
        for before, event in (*found.events, (len(found.targets), None)):
            for at in range(start, before):
                if found.targets[at] not in self.verdicts:
                    self._reach_import(found, at, found.targets[at], follower)
            start = before
            if isinstance(event, Fault):
                verdict = follower.verdict(event.edge.target)
                self._report(event.kind, event.edge, verdict, event.names)
            elif event is not None and event.target in self._followed:
                self._visit_exports(event)
            elif event is not None:
                self._stars.setdefault(event.target, []).append(event)

    def _visit_exports(self, star: Edge) -> None:
        """A star import imports the submodules that ``__all__`` names."""
        follower = self._exporters.get(star.target)
        if follower is not None:
            for name in follower.exported(star, self._followed[star.target].exports):
                self._visit(replace(star, target=name), follower)

    def _visit(self, edge: Edge, follower: Follower) -> None:
        """Record an edge that is no import as written; a module that is new gets its verdict."""
        name = edge.target
        if follower.verdict(name).is_unpacked_folder:
            return
        edges = self._edges.setdefault((edge.source, edge.kind), {})
        self._has_optional = self._has_optional or edge.optional
        if name not in edges or (edges[name].optional and not edge.optional):
            edges[name] = edge
        if name not in self.verdicts:
            self._reach(name, edge, edge.optional or edge.source in self._conditional, follower)

    def _reach_import(self, found: Followed, at: int, name: str, follower: Follower) -> None:
        conditional = found.source.name in self._conditional or (
            found.may_fail_at_first and found.is_optional_at_first(at)
        )
        self._reach(name, (found, at), conditional, follower)

    def _reach(
        self, name: str, by: tuple[Followed, int] | Edge, conditional: bool, follower: Follower
    ) -> None:
        """Judge a module that is new, and its parents."""
        while True:
            verdict = follower.verdict(name)
            self.verdicts[name] = verdict
            self._reached_by[name] = by
            if conditional:
                self._conditional.add(name)
            self._judge(name, verdict, follower)
            parent = "" if name in self._without_imports else follower.parent(name)
            if not parent:
                return
            self._parents[name] = parent
            if parent in self.verdicts:
                return
            name, by = parent, Edge(source=name, target=parent, kind=EdgeKind.PARENT)

    def _judge(self, name: str, verdict: Verdict, follower: Follower) -> None:
        source = verdict.source
        if verdict.policy is None:
            self._left_out.add(name)
            self._report(ProblemKind.NO_POLICY, self._edge_to(name), verdict)
        elif verdict.policy is Policy.DENY:
            self._report(ProblemKind.DENIED, self._edge_to(name), verdict)
        elif verdict.policy is Policy.INTERN and source is not None:
            if source.kind in WITH_SOURCE and not source.archive:
                self._wave.append(source)
            elif source.kind is not ModuleKind.NAMESPACE:
                self._left_out.add(name)
                if not _is_made_by_packed_code(source, follower):
                    self._report(ProblemKind.NO_SOURCE, self._edge_to(name), verdict)

    def _edge_to(self, name: str) -> Edge:
        """The edge by which a module was first reached."""
        by = self._reached_by[name]
        return by if isinstance(by, Edge) else by[0].first_edge(by[1])

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
            trail=Trail(self._trail(edge.source), edge),
            source=verdict.source,
            rule=verdict.rule,
            names=names,
            syntax=syntax,
        )

    def _trail(self, name: str) -> Trail | None:
        """The edges from a root to `name`, by the way it was first reached; None for a root."""
        unknown: list[str] = []
        while name in self._reached_by and name not in self._trails:
            unknown.append(name)
            name = self._edge_to(name).source
        trail = self._trails.get(name)
        for each in reversed(unknown):
            trail = self._trails[each] = Trail(trail, self._edge_to(each))
        return trail

    def closure(self, roots: Sequence[str]) -> Closure:
        """The modules and edges found."""
        needed = {name: replace(self.verdicts[name], is_optional=False) for name in self._pickled}
        nodes = {
            name: self._imports.node(name, verdict, self._digests.get(name))
            for name, verdict in {**self.verdicts, **needed}.items()
            if name not in self._left_out
        }
        links = WalkedLinks(
            self._followed,
            self._edges,
            self._parents,
            self._left_out,
            None if self._has_optional else self.verdicts.keys(),
        )
        notable = self._notable
        return Closure(
            graph=ModuleGraph.of_links(nodes, links, roots),
            type_only=tuple(edge for found in notable for edge in found.type_only),
            unmet=tuple(edge for found in notable for edge in found.unmet),
            absent=tuple(edge for found in notable for edge in found.absent),
            dynamic=tuple((found.source.name, each) for found in notable for each in found.dynamic),
            uses_files=tuple((found.source.name, each) for found in notable for each in found.uses),
        )


def _is_made_by_packed_code(source: ModuleSource, follower: Follower) -> bool:
    """Whether the package of a module without a file is packed, and will make it again."""
    above = follower.verdict(parent_of(source.name))
    packed = above.policy is Policy.INTERN and above.source is not None
    return source.is_made_by_code and packed
