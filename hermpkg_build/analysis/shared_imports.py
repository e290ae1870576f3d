"""The graph of imports of a build, made once and shared by all artifacts with the same policy.

What the imports of a module lead to depends on its source, on the policy, and on which modules there are. An
artifact sees only the workspace modules of its dependencies. So each module is followed once among all
modules of the build, and what it was asked for meanwhile is kept: an artifact shares the answer if it sees
the same modules by these names, which for nearly all is a comparison of two small sets. Where it does not,
and where code makes modules while it runs, it follows the module by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from hermpkg_build.analysis.closure import FactsProvider, Imports, OwnImports
from hermpkg_build.analysis.import_following import Followed, Follower
from hermpkg_build.analysis.import_resolution import Meaning, ModuleLookup, Resolver, Verdict
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.analysis.rule_problems import malformed_patterns
from hermpkg_build.analysis.walked_links import node_of
from hermpkg_build.analysis.workspace_modules import SeenModules, WorkspaceModules
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import ModuleNode
from hermpkg_build.core.import_facts import Import
from hermpkg_build.core.module_roles import Origin
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.dataclass import dataclass
from hermpkg_build.source.source_facts import SourceFacts


@dataclass(frozen=True, slots=True)
class _Rests:
    """What an answer rests on: all modules of some `owners`, and the modules by some other `names`.

    `unregistered` are names that no code gives to a module while it runs.
    """

    owners: frozenset[int]
    names: tuple[str, ...]
    unregistered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the imports of a module lead to, and what that rests on."""

    found: Followed
    rests: _Rests


class SharedImports:
    """The imports of all modules of a build, for any thread.

    `modules` are those of the workspace that any of its targets sees, `finder` one that sees all of them.
    """

    def __init__(self, modules: WorkspaceModules, finder: ModuleFinder, facts: FactsProvider) -> None:
        self.modules = modules
        self.finder = finder
        self._facts = facts
        self._graphs: dict[tuple[object, ...], _Graph | None] = {}
        self._lock = threading.Lock()

    def count(self) -> int:
        """Count the modules whose imports were followed, once for each policy."""
        return sum(len(graph.answers) for graph in tuple(self._graphs.values()) if graph is not None)

    def renewed(self) -> SharedImports:
        """Return the imports of the same modules, of which none is followed yet.

        Who follows imports by the old ones may go on.
        """
        modules, known = self.modules.renewed(), self.finder
        finder = ModuleFinder(
            tree=known.tree,
            given=modules,
            workspace_root=known.workspace_root,
            search_path=(),
            source_roots=known.source_roots,
            declared_by=known.declared_by,
            beside=known,
        )
        return SharedImports(modules, finder, self._facts)

    def imports_for(
        self,
        rules: Sequence[PolicyRule],
        finder: ModuleFinder,
        seen: Mapping[str, ModuleSource],
        *,
        may_lack: Collection[Origin] = (),
        aliases: Collection[str] = (),
    ) -> Imports | None:
        """Return the imports as an artifact follows them that has the policy `rules`; None if malformed.

        It sees the workspace modules `seen`, which `finder` finds and none but these. `aliases` are the
        names that code was seen to give to modules while it ran.
        """
        key = (tuple(rules), tuple(may_lack))
        with self._lock:
            if key not in self._graphs:
                malformed = malformed_patterns(rules)
                made = None if malformed else _Graph(self.modules, PolicyTable(rules), self.finder, may_lack)
                self._graphs[key] = made
            graph = self._graphs[key]
        if graph is None:
            return None
        own = Follower(Resolver(graph.table, finder), whole_packages=True, may_lack=may_lack)
        return _SeenImports(
            graph, _View(self.modules, seen, aliases), OwnImports(own, self._facts), self._facts
        )


class _Graph:
    """The answers for one policy."""

    def __init__(
        self,
        modules: WorkspaceModules,
        table: PolicyTable,
        finder: ModuleFinder,
        may_lack: Collection[Origin],
    ) -> None:
        self.table = table
        self.answers: dict[str, _Answer | None] = {}
        """None for modules that each artifact must follow by itself."""
        self._modules = modules
        self._nodes: dict[str, tuple[Verdict, Digest | None, ModuleNode]] = {}
        self._rests: dict[_Rests, _Rests] = {}
        self._lock = threading.Lock()
        resolver = Resolver(table, finder)
        self.follower = Follower(resolver, whole_packages=True, may_lack=may_lack)
        self._asked = _Asked(finder)
        self._asking = Follower(
            _AskedResolver(resolver, self._asked, modules), whole_packages=True, may_lack=may_lack
        )

    def follow(self, source: ModuleSource, facts: SourceFacts) -> _Answer | None:
        """Follow the imports of a module that no artifact has met before."""
        with self._lock:
            if source.name not in self.answers:
                self.answers[source.name] = self._follow(source, facts)
            return self.answers[source.name]

    def _follow(self, source: ModuleSource, facts: SourceFacts) -> _Answer | None:
        asked = self._asked
        asked.names, asked.unregistered = set(), set()
        try:
            if self._asking.verdict(source.name).source != source:
                return None
            found = self._asking.follow(source, facts)
            for name in found.exports:
                self._asking.verdict(f"{source.name}.{name}")
        except _MadeByCodeError:
            return None
        return _Answer(found, self._rests_on(asked.names, asked.unregistered))

    def _rests_on(self, names: Collection[str], unregistered: Iterable[str]) -> _Rests:
        owners, others = self._modules.owners_of(_with_parents(names))
        rests = _Rests(owners, tuple(sorted(others)), tuple(sorted(unregistered)))
        return self._rests.setdefault(rests, rests)

    def node(self, name: str, verdict: Verdict, digest: Digest | None) -> ModuleNode:
        """Return the node of a module; the same one for the same verdict and digest."""
        known = self._nodes.get(name)
        if known is not None and known[0] is verdict and known[1] is digest:
            return known[2]
        node = node_of(name, verdict, digest)
        if verdict is self.follower.verdict(name):
            self._nodes[name] = (verdict, digest, node)
        return node


class _View:
    """What an artifact sees of the workspace, and which answers hold for it."""

    def __init__(
        self, modules: WorkspaceModules, seen: Mapping[str, ModuleSource], aliases: Collection[str]
    ) -> None:
        self._modules = modules
        self._seen = seen
        self._owners = seen.owners if isinstance(seen, SeenModules) else frozenset[int]()
        self._aliases = frozenset(aliases)
        self._same: dict[str, bool] = {}
        self._holds: dict[int, bool] = {}

    def shares(self, rests: _Rests) -> bool:
        """Whether an answer that `rests` on something is that of this artifact, too."""
        # Equal ones are one object, which lives as long as the build.
        holds = self._holds.get(id(rests))
        if holds is None:
            holds = self._holds[id(rests)] = (
                rests.owners <= self._owners
                and self._aliases.isdisjoint(rests.unregistered)
                and all(map(self._is_same, rests.names))
            )
        return holds

    def _is_same(self, name: str) -> bool:
        same = self._same.get(name)
        if same is None:
            same = self._same[name] = self._seen.get(name) == self._modules[name]
        return same


class _SeenImports:
    """The imports as one artifact follows them; see `Imports`."""

    def __init__(self, graph: _Graph, view: _View, own: OwnImports, facts: FactsProvider) -> None:
        self.follower = own.follower
        self._graph = graph
        self._view = view
        self._own = own
        self._facts = facts

    def followed(self, modules: Sequence[ModuleSource]) -> list[tuple[Followed, Follower]]:
        """See `Imports`."""
        known, graph = self._graph.answers, self._graph
        new = [source for source in modules if source.name not in known]
        if new:
            for source, facts in zip(new, self._facts.facts_of(new), strict=True):
                graph.follow(source, facts)
        found: list[tuple[Followed, Follower] | None] = []
        alone: list[ModuleSource] = []
        for source in modules:
            answer = known[source.name]
            if (
                answer is not None
                and (answer.found.source is source or answer.found.source == source)
                and self._view.shares(answer.rests)
            ):
                found.append((answer.found, graph.follower))
            else:
                found.append(None)
                alone.append(source)
        own = iter(self._own.followed(alone)) if alone else iter(())
        return [next(own) if each is None else each for each in found]

    def node(self, name: str, verdict: Verdict, digest: Digest | None) -> ModuleNode:
        """See `Imports`."""
        return self._graph.node(name, verdict, digest)


class _MadeByCodeError(Exception):
    """Code puts a module into ``sys.modules``: what that means depends on what else an artifact imports."""


class _Asked:
    """A finder that notes which names it was asked for."""

    def __init__(self, finder: ModuleLookup) -> None:
        self.names: set[str] = set()
        self.unregistered: set[str] = set()
        self._finder = finder

    def find(self, name: str) -> ModuleSource | None:
        """See `ModuleLookup`."""
        self.names.add(name)
        return self._finder.find(name)

    def registered(self, name: str) -> ModuleSource | None:
        """See `ModuleLookup`. Raises _MadeByCodeError where there is such a module."""
        self.names.add(name)
        self.unregistered.add(name)
        if self._finder.registered(name) is not None:
            raise _MadeByCodeError(name)
        return None


class _AskedResolver(Resolver):
    """A resolver that has all that its answers rest on noted each time, also of those it remembers.

    It remembers what imports of `modules`, those of the workspace, mean only in verdicts: these imports are
    as many as there are modules, and each of them is met once or twice.
    """

    def __init__(self, resolver: Resolver, asked: _Asked, modules: Collection[str]) -> None:
        super().__init__(resolver.table, asked)
        self._decided: Callable[[str], Verdict] = resolver.verdict
        self._asked = asked
        self._modules = modules
        self._remembered: dict[tuple[object, ...], tuple[Meaning, tuple[str, ...], tuple[str, ...]]] = {}

    def verdict(self, name: str) -> Verdict:
        """See `Resolver`."""
        self._asked.names.add(name)
        return self._decided(name)

    def meaning(self, imported: Import, package: str) -> Meaning:
        """See `Resolver`."""
        if imported.level or imported.module in self._modules:
            return self._resolve(imported, package)
        asked, key = self._asked, (imported.module, imported.names, imported.form)
        known = self._remembered.get(key)
        if known is not None:
            asked.names.update(known[1])
            asked.unregistered.update(known[2])
            return known[0]
        names, unregistered = asked.names, asked.unregistered
        asked.names, asked.unregistered = set(), set()
        try:
            meaning = self._resolve(imported, package)
            if meaning.named not in self._modules:
                self._remembered[key] = (meaning, tuple(asked.names), tuple(asked.unregistered))
        finally:
            asked.names |= names
            asked.unregistered |= unregistered
        return meaning


def _with_parents(names: Collection[str]) -> set[str]:
    """Return `names` and the packages that these lie in.

    >>> sorted(_with_parents(["a.b.c", "a.b.d", "e"]))
    ['a', 'a.b', 'a.b.c', 'a.b.d', 'e']
    """
    found = set(names)
    for name in names:
        parent = name.rpartition(".")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition(".")[0]
    return found
