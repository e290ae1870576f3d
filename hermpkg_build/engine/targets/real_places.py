"""Decides where packed files lie when code reads them by their paths: as they lie in the workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_names import record_of_module, top_of
from hermpkg_build.core.module_roles import ModuleKind, Policy
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPlaces:
    """Where files lie: `tops` are unpacked into the folder `root`, the records `beside` next to that.

    `lost` are the workspace paths of resources that cannot keep their place beside the code.
    """

    tops: tuple[str, ...] = ()
    root: str = ""
    beside: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def real_places(
    tops: Collection[str],
    graph: ModuleGraph,
    own: Mapping[str, ModuleSource],
    resources: Mapping[str, str],
) -> RealPlaces:
    """Place the files of an artifact in which code of `tops` reads files by their paths.

    `own` are the workspace modules by name; `resources` are the workspace paths of the resources that
    modules declare, by record. Code climbs to them from its own place, out of its source root, too: so what
    it needs is the shape of the workspace.
    """
    if not tops:
        return RealPlaces()
    packed = [node.name for node in graph.with_policy(Policy.INTERN)]
    found = [own.get(name) for name in packed if top_of(name) in tops]
    records = {
        record_of_module(source.name, source.kind is ModuleKind.PACKAGE): source.shown
        for source in found
        if source is not None and source.label is not None
    }
    if not records:
        return RealPlaces(tops=tuple(sorted(tops)))
    counts = Counter(path[: -len(record)].rstrip("/") for record, path in records.items())
    root = min(counts, key=lambda root: (-counts[root], root))
    inside = f"{root}/" if root else ""
    everything = {**resources, **records}
    outside = [
        record for record, path in everything.items() if record == path and not path.startswith(inside)
    ]
    lost = [
        path for record, path in resources.items() if record not in outside and path != f"{inside}{record}"
    ]
    packed_tops = {top_of(name) for name in packed}
    data = {record.replace("/", ".").partition(".")[0] for record in resources} - packed_tops
    return RealPlaces(
        tops=tuple(sorted({*tops, *data})),
        root=root if outside else "",
        beside=tuple(sorted(outside)) if root else (),
        lost=tuple(sorted(lost)),
    )


def lost_places(places: RealPlaces, read: Collection[str]) -> Iterator[str]:
    """A text where files that the factory was seen to `read` cannot keep their place beside the code."""
    lost = [path for path in places.lost if path in read]
    if lost:
        yield (
            "files that the code may find by its own place lie in another source root than the code, so that"
            f" they are not there in the artifact: {listed(lost, _SHOWN)}\n"
            "  -> move them below the source root of the code, or above all source roots"
        )
