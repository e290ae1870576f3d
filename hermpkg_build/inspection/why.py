"""Says why a module, tensor or file is in an artifact: the imports, the pickle or the folder behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.manifest import Manifest, ManifestModel, RecordKind
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import QueryError
from hermpkg_build.inspection.contents import RecordFacts, manifest_of, record_facts
from hermpkg_build.inspection.groups import Belongings, GroupKey
from hermpkg_build.inspection.tensors import TensorFacts, tensors_of_archive

_VERBS = {
    EdgeKind.IMPORT: "imports",
    EdgeKind.PARENT: "lies in",
    EdgeKind.OBSERVED: "imported, while the factory ran,",
    EdgeKind.PICKLE: "names",
    EdgeKind.DECLARED: "asks for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A module of an artifact, and a shortest chain of edges from a root to it."""

    module: ModuleNode
    chain: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorReason:
    """A tensor of an artifact; `model` is what made the pickle that it is in, None where nobody says."""

    tensor: TensorFacts
    model: ManifestModel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReason:
    """A record of an artifact, and what it belongs to.

    `tensors` are those in a storage; `beside` is the packed module in whose folder a data file lies, None for
    none; `model` is what made a pickle.
    """

    record: RecordFacts
    group: GroupKey
    tensors: tuple[TensorFacts, ...]
    beside: Reason | None
    model: ManifestModel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything in an artifact that has the name asked for; a module, tensors and a record can share one."""

    module: Reason | None = None
    tensors: tuple[TensorReason, ...] = ()
    record: RecordReason | None = None


def why(graph: ModuleGraph, module: str) -> Reason | None:
    """Return why `module` is in the artifact that has the module graph `graph`; None where it is not."""
    node = graph.nodes.get(module)
    return None if node is None else Reason(module=node, chain=tuple(graph.chain(module)))


def all_imports(graph: ModuleGraph, module: str) -> tuple[Edge, ...]:
    """Return every edge on a way from a root to `module`, those that end at it first, then by distance.

    Ways are never listed one by one, so that cycles and many ways cost no more than a few.
    """
    forth = graph.reachable(graph.roots)
    distance = {module: 0}
    queue = deque([module])
    edges: list[Edge] = []
    while queue:
        here = queue.popleft()
        for edge in graph.importers_of(here):
            if edge.source == module or edge.source not in forth:
                continue
            edges.append(edge)
            if edge.source not in distance:
                distance[edge.source] = distance[here] + 1
                queue.append(edge.source)
    return tuple(edges)


def why_in_archive(archive: ArchiveReader, graph: ModuleGraph, name: str) -> Answer:
    """Return why the module, the tensors and the record that `name` means are in `archive`.

    `graph` is that of its modules. A tensor has all its names; a record is named with or without the root
    folder. Raises ArchiveError, and QueryError where nothing has the name, with the one probably meant.
    """
    manifest = manifest_of(archive)
    tensors = tensors_of_archive(archive, manifest).tensors
    models = manifest.models if manifest is not None else {}
    found = [
        TensorReason(tensor=tensor, model=models.get(tensor.pickle))
        for tensor in tensors
        if name == tensor.name or name in tensor.also
    ]
    record = _record_reason(archive, manifest, tensors, graph, name)
    module = why(graph, name)
    if module is None and not found and record is None:
        known = {*graph.nodes, *archive.names()}
        known.update(each for tensor in tensors for each in (tensor.name, *tensor.also))
        near = did_you_mean(name, known)
        raise QueryError(
            f"{name} is not in {archive.name}: no module, packed, extern or mocked, no tensor and no record",
            next_step=f"did you mean {near}?" if near else "hermpkg inspect lists what an artifact holds",
        )
    return Answer(module=module, tensors=tuple(found), record=record)


def _record_reason(
    archive: ArchiveReader,
    manifest: Manifest | None,
    tensors: Sequence[TensorFacts],
    graph: ModuleGraph,
    name: str,
) -> RecordReason | None:
    if not archive.has(name):
        name = name.removeprefix(f"{archive.root}/")
    if not archive.has(name):
        return None
    record = record_facts(archive, manifest, name)
    belongings = Belongings(archive, manifest)
    module = module_of_record(record.name)
    beside = module[0] if module is not None else ""
    if record.kind == RecordKind.RESOURCE:
        beside = belongings.module_beside(record.name)
    return RecordReason(
        record=record,
        group=belongings.of_record(record.name, record.kind),
        tensors=tuple(tensor for tensor in tensors if tensor.storage == record.name),
        beside=why(graph, beside),
        model=manifest.models.get(record.name) if manifest is not None else None,
    )


def sentence(edge: Edge) -> str:
    """Put one edge of a chain into words: ``models.resnet imports models.layers``."""
    return f"{edge.source} {_VERBS[edge.kind]} {edge.target}"
