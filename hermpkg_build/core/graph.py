"""The module graph: modules with their policies, and the imports that connect them."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Protocol

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import Location


class EdgeKind(str, enum.Enum):
    """The reason why one module needs another."""

    IMPORT = "import"
    PARENT = "parent"
    """Importing ``a.b`` imports ``a`` first."""
    OBSERVED = "observed"
    """Seen while the model's factory ran."""
    PICKLE = "pickle"
    """A global that a pickle names."""
    DECLARED = "declared"
    """Named by the target itself."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleNode:
    """One module of the graph. `path` is for reading and messages, never for artifacts.

    `digest` is that of the source bytes, None where no source is packed; `rule` the index of the
    policy rule that decided, None for the implicit extern of the standard library and torch;
    `distribution` the name of the installed distribution that owns it, "" for none.
    """

    name: str
    policy: Policy
    kind: ModuleKind
    origin: Origin
    rule: int | None = None
    digest: Digest | None = None
    distribution: str = ""
    path: str = field(default="", compare=False)

    @property
    def is_package(self) -> bool:
        """Whether the module can have submodules."""
        return self.kind in (ModuleKind.PACKAGE, ModuleKind.NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` needs the module `target`, because of `location`.

    `source` is a module name, or a root such as ``//models:resnet`` or ``model/model.pkl``;
    an `optional` import may fail or not run (TRY, TYPE_CHECKING, CONDITIONAL).
    """

    source: str
    target: str
    kind: EdgeKind
    location: Location | None = field(default=None, compare=False)
    optional: bool = False


class Links(Protocol):
    """The edges of a graph in a form that takes less time and memory than edges."""

    def edges(self) -> Iterable[Edge]:
        """Return all edges, in any order."""
        ...

    def needed_from(self, roots: Iterable[str]) -> Collection[str]:
        """Return the modules that `roots` lead to by edges that are not optional, and maybe other names."""
        ...


class ModuleGraph:
    """Modules by name and the edges between them. A root is the source of edges and not a module.

    The order of iteration and of every result depends on names only.
    """

    def __init__(
        self,
        nodes: Mapping[str, ModuleNode],
        edges: Iterable[Edge],
        roots: Sequence[str],
    ) -> None:
        self.nodes: dict[str, ModuleNode] = {name: nodes[name] for name in sorted(nodes)}
        self.roots: tuple[str, ...] = tuple(roots)
        self._given = tuple(edges)
        self._links: Links | None = None

    @classmethod
    def of_links(cls, nodes: Mapping[str, ModuleNode], links: Links, roots: Sequence[str]) -> ModuleGraph:
        """Return the graph with the edges of `links`, which are made when they are asked for.

        An edge leads to every one of its modules.
        """
        graph = cls(nodes, (), roots)
        graph._links = links
        return graph

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by source, target and kind."""
        given = self._given if self._links is None else self._links.edges()
        return tuple(sorted(given, key=_edge_order))

    def __iter__(self) -> Iterator[ModuleNode]:
        return iter(self.nodes.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModuleGraph):
            return NotImplemented
        return (self.nodes, self.edges, self.roots) == (other.nodes, other.edges, other.roots)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def with_policy(self, policy: Policy) -> list[ModuleNode]:
        """Return the modules that have `policy`, sorted by name."""
        return list(self._by_policy.get(policy, ()))

    def imports_of(self, name: str) -> Sequence[Edge]:
        """Return the edges whose source is `name`."""
        return self._out.get(name, ())

    def importers_of(self, name: str) -> Sequence[Edge]:
        """Return the edges whose target is `name`."""
        return self._in.get(name, ())

    def chain(self, name: str) -> list[Edge]:
        """Return a shortest chain of edges from a root to `name`; [] where no root leads to it.

        The search is breadth first from the roots in their order, so that equal graphs give equal chains.
        """
        came_by: dict[str, Edge | None] = dict.fromkeys(self.roots)
        queue = deque(self.roots)
        while queue:
            here = queue.popleft()
            if here == name:
                break
            for edge in self.imports_of(here):
                if edge.target not in came_by:
                    came_by[edge.target] = edge
                    queue.append(edge.target)
        chain: list[Edge] = []
        edge_here = came_by.get(name)
        while edge_here is not None:
            chain.append(edge_here)
            edge_here = came_by.get(edge_here.source)
        return chain[::-1]

    def reachable(self, starts: Iterable[str], *, without: Collection[str] = ()) -> set[str]:
        """Return the modules and roots that `starts` lead to without passing `without`, `starts` included."""
        return _reachable(starts, lambda name: [edge.target for edge in self.imports_of(name)], without)

    def all_paths(self, source: str, target: str) -> ModuleGraph:
        """Return the graph of all paths from `source` to `target`.

        An edge belongs to it when its source can be reached from `source` without passing `target`, and its
        target reaches `target` without passing `source`. Paths are never listed one by one, so that cycles
        and many paths cost no more than a few. `source` may be a root; it is the root of the result.
        """
        forth = _reachable([source], lambda name: [e.target for e in self.imports_of(name) if name != target])
        back = _reachable(
            [target], lambda name: [e.source for e in self.importers_of(name) if name != source]
        )
        edges = [
            edge
            for edge in self.edges
            if edge.source in forth
            and edge.target in back
            and edge.source != target
            and edge.target != source
        ]
        on_paths = {name for edge in edges for name in (edge.source, edge.target)}
        nodes = {name: node for name, node in self.nodes.items() if name in on_paths}
        return ModuleGraph(nodes, edges, [source])

    def optional_modules(self) -> frozenset[str]:
        """Return the modules that only optional imports lead to: the code runs without them."""
        if self._links is not None:
            return frozenset(self.nodes.keys() - self._links.needed_from(self.roots))
        starts = [*self.roots, *(name for name in self.nodes if name not in self._in)]
        needed = _reachable(starts, lambda name: [e.target for e in self.imports_of(name) if not e.optional])
        return frozenset(self.nodes) - needed

    @cached_property
    def _by_policy(self) -> Mapping[Policy, Sequence[ModuleNode]]:
        found: dict[Policy, list[ModuleNode]] = {}
        for policy in Policy:
            found[policy] = [node for node in self.nodes.values() if node.policy is policy]
        return found

    @cached_property
    def _out(self) -> dict[str, list[Edge]]:
        return _grouped(self.edges, lambda edge: edge.source)

    @cached_property
    def _in(self) -> dict[str, list[Edge]]:
        return _grouped(self.edges, lambda edge: edge.target)


def _edge_order(edge: Edge) -> tuple[str, str, str]:
    # An EdgeKind is a string; its `value` takes several times longer.
    return edge.source, edge.target, edge.kind


def _grouped(edges: Iterable[Edge], end: Callable[[Edge], str]) -> dict[str, list[Edge]]:
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(end(edge), []).append(edge)
    return groups


def _reachable(
    starts: Iterable[str], neighbours: Callable[[str], list[str]], without: Collection[str] = ()
) -> set[str]:
    seen = {name for name in starts if name not in without}
    stack = list(seen)
    while stack:
        for name in neighbours(stack.pop()):
            if name not in seen and name not in without:
                seen.add(name)
                stack.append(name)
    return seen
