"""Reads the imports of modules of a workspace, and of those of the environment that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache

from hermpkg_build.analysis.closure import FactsProvider, Root, explore
from hermpkg_build.analysis.import_resolution import absolute_name, package_of
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.import_facts import ImportFacts
from hermpkg_build.core.module_names import package_of_init, parents_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.engine.queries.import_graph import ModuleNode, ReadModules
from hermpkg_build.engine.queries.module_table import ModuleTable
from hermpkg_build.engine.queries.target_graph import PYTHON
from hermpkg_build.errors import Location
from hermpkg_build.query.graph import Edge as QueryEdge
from hermpkg_build.source.source_facts import SourceFacts

_EVERYTHING = (PolicyRule(policy=Policy.INTERN, include=("**",), allow_empty=True),)
"""All imports are followed, but for those of the standard library and torch, which builds leave out too."""

_KINDS = {
    ModuleKind.EXTENSION: "extension module",
    ModuleKind.BYTECODE: "bytecode module",
    ModuleKind.BUILTIN: "builtin module",
}

FinderMaker = Callable[[Mapping[str, str]], ModuleFinder]
"""Makes a finder of modules of the workspace, given as labels by names, and of those of the environment."""


def read_imports(
    table: ModuleTable,
    known: Collection[str],
    finder_of: FinderMaker,
    facts: FactsProvider,
    installed: Sequence[str] = (),
) -> ReadModules:
    """Read all modules that `table` leads to but for those that are `known`, which no change concerns.

    `installed` are names of modules of the environment to be read although only known ones lead there.

    A name means for a module what the targets that its own depends on have of this name, or else what the
    workspace has of it once, or else what the environment has; for a module of the environment, which
    depends on no target, it means one of the latter two.
    """
    reading = _Reading()
    finder = cache(lambda shared: _Leaves(finder_of(table.meant(shared))))
    for group in table.groups:
        own = [label for label in group.own if label not in known and label not in reading.edges]
        asked = {label: names for label, names in group.asked.items() if label not in known}
        if own:
            part = _Part(finder(group.shared), facts, frozenset(own))
            reading.follow(part, [table.names[label] for label in own])
        for label, names in asked.items():
            reading.note_asked(label, names, finder(group.shared))
    met = [
        node.name
        for label, node in reading.nodes.items()
        if label.startswith("@") and node.kind == "source module" and label not in known
    ]
    if met or installed:
        reading.follow(_Part(finder(()), facts, None, known), [*installed, *met])
    return reading.found()


class _Leaves:
    """A finder for which everything without a source is like the standard library: it is not read."""

    def __init__(self, finder: ModuleFinder) -> None:
        self._finder = finder

    def find(self, name: str) -> ModuleSource | None:
        """Return the module `name`."""
        return _as_leaf(self._finder.find(name))

    def registered(self, name: str) -> ModuleSource | None:
        """Return the module `name` where code puts it into ``sys.modules``."""
        return _as_leaf(self._finder.registered(name))


def _as_leaf(found: ModuleSource | None) -> ModuleSource | None:
    if found is None or found.kind is ModuleKind.NAMESPACE:
        return found
    is_read = found.kind in (ModuleKind.SOURCE, ModuleKind.PACKAGE) and not found.archive
    return found if is_read else replace(found, origin=Origin.STDLIB)


@dataclass(slots=True)
class _Part:
    """Which modules are followed, as a provider of the facts of these alone; of others only what they export.

    Those are files of the workspace by their labels, or without any all modules of the environment that are
    not `known`. `read` are they, as they are met.
    """

    finder: _Leaves
    facts: FactsProvider
    own: Collection[str] | None
    known: Collection[str] = ()
    read: dict[str, tuple[ModuleSource, ImportFacts]] = field(default_factory=dict)

    def facts_of(self, modules: Sequence[ModuleSource]) -> Sequence[SourceFacts]:
        """Return the digest and the facts of each module's source."""
        return [
            self._seen(source, found)
            for source, found in zip(modules, self.facts.facts_of(modules), strict=True)
        ]

    def _seen(self, source: ModuleSource, found: SourceFacts) -> SourceFacts:
        if self._is_read(source):
            self.read[source.name] = (source, found.facts)
            return found
        return replace(found, facts=ImportFacts(exports=found.facts.exports))

    def _is_read(self, source: ModuleSource) -> bool:
        if source.label is not None:
            # Under the name `package.__init__` a package is read a second time, and is the same file.
            is_named = package_of_init(source.name) is None
            return is_named and self.own is not None and str(source.label) in self.own
        return self.own is None and _label_of(source) not in self.known


class _Reading:
    """What is found of the modules that are read."""

    def __init__(self) -> None:
        self.nodes: dict[str, ModuleNode] = {}
        self.edges: dict[str, list[QueryEdge]] = {}
        self._mentions: dict[str, set[str]] = {}
        self._stars: dict[str, list[str]] = {}
        self._problems: dict[str, str] = {}

    def found(self) -> ReadModules:
        """Return all of it."""
        return ReadModules(
            nodes=self.nodes,
            edges=self.edges,
            mentions=self._mentions,
            stars=self._stars,
            problems=self._problems,
        )

    def follow(self, part: _Part, names: Iterable[str]) -> None:
        """Read what `names` lead to in a part."""
        roots = [Root(source="", module=name, kind=EdgeKind.DECLARED) for name in dict.fromkeys(names)]
        graph = explore(roots, _EVERYTHING, part.finder, part)[0].graph
        labels: dict[str, str] = {}
        for name in graph.nodes:
            source = part.finder.find(name) or part.finder.registered(name)
            if source is not None and source.kind is not ModuleKind.NAMESPACE:
                labels[name] = label = _label_of(source)
                self.nodes.setdefault(label, _node(source))
        for name, (source, facts) in part.read.items():
            self._note(labels[name] if name in labels else _label_of(source), source, facts)
            if name in labels:
                self.edges[labels[name]] = _edges_of(graph, name, labels)

    def note_asked(self, label: str, names: Sequence[str], finder: _Leaves) -> None:
        """Note the modules that attributes of a target name."""
        self.edges[label] = []
        for name in dict.fromkeys(names):
            source = finder.find(name)
            if source is not None and source.kind is not ModuleKind.NAMESPACE:
                end = _label_of(source)
                self.nodes.setdefault(end, _node(source))
                self.edges[label].append(QueryEdge(source=label, target=end, kind="declared"))
        self._mentions[label] = {each for name in names for each in (name, *parents_of(name))}

    def _note(self, label: str, source: ModuleSource, facts: ImportFacts) -> None:
        self.edges.setdefault(label, [])
        self._mentions[label] = {*parents_of(source.name)}
        for name, names in _imported(source, facts):
            self._mentions[label].update((name, *parents_of(name), *(f"{name}.{each}" for each in names)))
            if "*" in names:
                self._stars.setdefault(label, []).append(name)
        syntax = facts.syntax_problem
        if syntax is not None and source.label is not None:
            place = Location(source.shown, syntax.line, syntax.column)
            self._problems[label] = f"{place}: the imports of {label} cannot be read: {syntax.message}"


def _imported(source: ModuleSource, facts: ImportFacts) -> Iterator[tuple[str, Sequence[str]]]:
    """Give the modules that imports of a source name, each with the names that it imports of them."""
    package = package_of(source)
    for imported in facts.imports:
        name, fault = absolute_name(imported, package)
        if fault is None:
            yield name, imported.names


def _edges_of(graph: ModuleGraph, name: str, labels: Mapping[str, str]) -> list[QueryEdge]:
    found: dict[str, QueryEdge] = {}
    own = labels[name]
    for edge in graph.imports_of(name):
        end = _nearest(edge.target, labels)
        if end and end != own and not (end in found and found[end].location):
            found[end] = _edge(own, end, edge)
    return [found[end] for end in sorted(found)]


def _label_of(source: ModuleSource) -> str:
    """Return the label of a module, which no other has.

    In the environment that is ``@python//kornia/feature:loftr.py``, or ``@python//:sys`` for what is no
    file; with its name at the end where the place of its file says another.
    """
    if source.label is not None:
        return str(source.label)
    folder, _, file = (source.shown or source.name).rpartition("/")
    label = f"@{PYTHON}//{folder}:{file}"
    stem = file.partition(".")[0]
    place = f"{folder}/{stem}".strip("/") if stem != "__init__" else folder
    return label if not source.path or place.replace("/", ".") == source.name else f"{label}#{source.name}"


def _node(source: ModuleSource) -> ModuleNode:
    own = source.label is not None
    kind = "source file" if own else _KINDS.get(source.kind, "source module")
    return ModuleNode(kind=kind, name=source.name, path="" if own else source.path)


def _nearest(name: str, labels: Mapping[str, str]) -> str:
    """Return the label of a module, or of the nearest package above it that is more than a folder."""
    return next((labels[each] for each in [name, *parents_of(name)] if each in labels), "")


def _edge(source: str, target: str, edge: Edge) -> QueryEdge:
    kind = "optional import" if edge.optional and edge.kind is EdgeKind.IMPORT else str(edge.kind)
    return QueryEdge(source=source, target=target, kind=kind, location=edge.location)
