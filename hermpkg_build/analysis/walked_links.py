"""The nodes and the edges of a walk over imports, which are made when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from hermpkg_build.analysis.import_following import Followed, edges_by_target
from hermpkg_build.analysis.import_resolution import Verdict
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleNode
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class WalkedLinks:
    """The edges of a walk, of which few are ever asked for one by one; see `core.graph.Links`."""

    followed: Mapping[str, Followed]
    others: Mapping[tuple[str, EdgeKind], Mapping[str, Edge]]
    parents: Mapping[str, str]
    left_out: Collection[str]
    reached: Collection[str] | None
    """All modules, where no edge is optional."""

    def edges(self) -> Iterator[Edge]:
        """See `core.graph.Links`."""
        for name, found in self.followed.items():
            by_star = self.others.get((name, EdgeKind.IMPORT))
            own = found.edges()
            yield from self._kept(edges_by_target([*own, *by_star.values()]).values() if by_star else own)
        for (source, kind), edges in self.others.items():
            if kind is not EdgeKind.IMPORT or source not in self.followed:
                yield from self._kept(edges.values())
        for name, above in self.parents.items():
            if above not in self.left_out:
                yield Edge(source=name, target=above, kind=EdgeKind.PARENT)

    def needed_from(self, roots: Iterable[str]) -> Collection[str]:
        """See `core.graph.Links`."""
        if self.reached is not None:
            return self.reached
        others: dict[str, list[str]] = {}
        for (source, _), edges in self.others.items():
            others.setdefault(source, []).extend(name for name, edge in edges.items() if not edge.optional)
        for name, parent in self.parents.items():
            others.setdefault(name, []).append(parent)
        seen = {*roots, *self.left_out}
        stack = [*seen.difference(self.left_out)]
        followed = self.followed
        while stack:
            name = stack.pop()
            found = followed.get(name)
            for target in found.needed if found is not None else ():
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
            for target in others.get(name, ()):
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
        return seen

    def _kept(self, edges: Iterable[Edge]) -> Iterator[Edge]:
        return (edge for edge in edges if edge.target not in self.left_out) if self.left_out else iter(edges)


def node_of(name: str, verdict: Verdict, digest: Digest | None) -> ModuleNode:
    """Make the node of a module by its verdict and, where its source is packed, the digest of that."""
    source = None if verdict.is_optional else verdict.source
    assert verdict.policy is not None
    return ModuleNode(
        name=name,
        policy=verdict.policy,
        kind=source.kind if source else ModuleKind.MISSING,
        origin=source.origin if source else Origin.MISSING,
        rule=verdict.rule,
        digest=digest,
        distribution=source.distribution if source else "",
        path=source.path if source else "",
    )
