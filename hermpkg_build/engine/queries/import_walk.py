"""Reads the imports of all modules of a workspace, and of those that they lead to, into one graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hermpkg_build.analysis.closure import Closure, FactsProvider, Root, explore
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.analysis.problems import Problem
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleKind, Origin
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import parents_of
from hermpkg_build.core.policy import Policy, PolicyRule
from hermpkg_build.core.target import DeclaredModule, Model, ModelPackage, RuleTarget
from hermpkg_build.engine.queries.import_graph import ImportGraph, ModuleNode
from hermpkg_build.engine.queries.target_graph import PYTHON
from hermpkg_build.errors import Location
from hermpkg_build.query.graph import Edge as QueryEdge

_EVERYTHING = (PolicyRule(policy=Policy.INTERN, include=("**",), allow_empty=True),)
"""All imports are followed, but for those of the standard library and torch, which builds leave out too."""

_KINDS = {
    ModuleKind.EXTENSION: "extension module",
    ModuleKind.BYTECODE: "bytecode module",
    ModuleKind.BUILTIN: "builtin module",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The targets of a workspace by their labels, and the modules of each `python_modules`."""

    targets: Mapping[Label, RuleTarget]
    modules: Mapping[Label, Sequence[DeclaredModule]]


FinderMaker = Callable[[Sequence[DeclaredModule]], ModuleFinder]
"""Makes a finder of these modules of the workspace, and of those of the environment."""


def walk_imports(declared: Declared, finder_of: FinderMaker, facts: FactsProvider) -> ImportGraph:
    """Return the graph of all modules that `declared` leads to.

    A name means for a module what the targets that its own depends on have of this name, or else what the
    workspace has of it once, or else what the environment has.
    """
    drawing = _Drawing()
    for group in _groups(declared):
        finder = _Leaves(finder_of(group.modules))
        asked = [name for _, name in group.asked]
        roots = [
            Root(source="", module=name, kind=EdgeKind.DECLARED)
            for name in dict.fromkeys([*group.own, *asked])
        ]
        closure, problems = explore(roots, _EVERYTHING, finder, facts)
        drawing.add(closure, finder, group)
        for problem in problems:
            drawing.note(problem)
    return ImportGraph.of(drawing.nodes, drawing.edges, drawing.problems)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Targets for which every name means the same module of the workspace.

    `modules` are all that can be meant, `own` the names of those that the targets have themselves, and
    `asked` the names that attributes of targets give.
    """

    modules: Sequence[DeclaredModule]
    own: dict[str, None] = field(default_factory=dict)
    asked: list[tuple[Label, str]] = field(default_factory=list)


def _groups(declared: Declared) -> Iterator[_Group]:
    """Part the targets by what they mean by names that several files of the workspace have."""
    known: dict[str, dict[Label, DeclaredModule]] = {}
    for modules in declared.modules.values():
        for module in modules:
            known.setdefault(module.module, {})[module.label] = module
    shared = {name for name, found in known.items() if len(found) > 1}
    alone = [module for name, found in known.items() if name not in shared for module in found.values()]
    groups: dict[frozenset[Label], _Group] = {}
    for label, target in declared.targets.items():
        meant = _meant_by(label, declared, shared) if shared else {}
        key = frozenset(module.label for module in meant.values())
        group = groups.setdefault(key, _Group(modules=[*alone, *meant.values()]))
        group.own.update(dict.fromkeys(module.module for module in declared.modules.get(label, ())))
        group.asked.extend((label, name) for name in _names_in(target))
    yield from groups.values()


def _meant_by(label: Label, declared: Declared, shared: Collection[str]) -> dict[str, DeclaredModule]:
    """Return the modules with shared names that a target has or depends on, near ones first."""
    meant: dict[str, DeclaredModule] = {}
    queue = dict.fromkeys([label])
    for each in (pending := list(queue)):
        for module in declared.modules.get(each, ()):
            if module.module in shared:
                meant.setdefault(module.module, module)
        target = declared.targets.get(each)
        new = [end for end in (target.dependencies if target else ()) if end not in queue]
        queue.update(dict.fromkeys(new))
        pending.extend(new)
    return meant


def _names_in(target: RuleTarget) -> Sequence[str]:
    """Return the modules that the attributes of a target name."""
    if isinstance(target, Model):
        return [target.factory.partition(":")[0]]
    return target.modules if isinstance(target, ModelPackage) else ()


class _Drawing:
    """Nodes and edges by labels, as they are found."""

    def __init__(self) -> None:
        self.nodes: dict[str, ModuleNode] = {}
        self.edges: dict[str, list[QueryEdge]] = {}
        self.problems: dict[str, None] = {}
        self._owners: dict[str, str] = {}

    def add(self, closure: Closure, finder: _Leaves, group: _Group) -> None:
        """Add what one group of targets leads to."""
        labels: dict[str, str] = {}
        read: set[str] = set()
        for name in closure.graph.nodes:
            source = finder.find(name) or finder.registered(name)
            if source is not None and source.kind is not ModuleKind.NAMESPACE:
                labels[name] = self._label(source)
                if (name in group.own or source.label is None) and labels[name] not in self.edges:
                    read.add(name)
        for name in read:
            found: dict[str, QueryEdge] = {}
            for edge in closure.graph.imports_of(name):
                end = _nearest(edge.target, labels)
                if end and end != labels[name] and not (end in found and found[end].location):
                    found[end] = _edge(labels[name], end, edge)
            self.edges[labels[name]] = [found[end] for end in sorted(found)]
        for label, name in group.asked:
            if name in labels:
                asked = QueryEdge(source=str(label), target=labels[name], kind="declared")
                self.edges.setdefault(str(label), []).append(asked)

    def note(self, problem: Problem) -> None:
        """Note a module of the workspace whose imports cannot be read."""
        source, syntax = problem.source, problem.syntax
        if syntax is not None and source is not None and source.label is not None:
            place = Location(source.shown, syntax.line, syntax.column)
            self.problems[f"{place}: the imports of {source.label} cannot be read: {syntax.message}"] = None

    def _label(self, source: ModuleSource) -> str:
        """Return the label of a module, which no other has."""
        if source.label is not None:
            label, path = str(source.label), ""
        else:
            label, path = _label_in_environment(source), source.path
        if self._owners.setdefault(label, source.name) != source.name and path:
            label = f"{label}#{source.name}"
        self.nodes.setdefault(label, ModuleNode(kind=_kind(source), path=path))
        return label


def _label_in_environment(source: ModuleSource) -> str:
    """Return ``@python//kornia/feature:loftr.py``, or ``@python//:sys`` for what is no file."""
    folder, _, file = (source.shown or source.name).rpartition("/")
    return f"@{PYTHON}//{folder}:{file}"


def _kind(source: ModuleSource) -> str:
    return "source file" if source.label is not None else _KINDS.get(source.kind, "source module")


def _nearest(name: str, labels: Mapping[str, str]) -> str:
    """Return the label of a module, or of the nearest package above it that is more than a folder."""
    return next((labels[each] for each in [name, *parents_of(name)] if each in labels), "")


def _edge(source: str, target: str, edge: Edge) -> QueryEdge:
    kind = "optional import" if edge.optional and edge.kind is EdgeKind.IMPORT else str(edge.kind)
    return QueryEdge(source=source, target=target, kind=kind, location=edge.location)
