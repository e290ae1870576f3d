"""Gathers what the page of one artifact shows: bytes, tensors, modules with their imports, what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.explorer.byte_tree import byte_tree
from hermpkg_build.inspection.archive_graph import graph_of_archive
from hermpkg_build.inspection.groups import edits_of
from hermpkg_build.inspection.overview import Overview, head_lines, overview_of
from hermpkg_build.inspection.pickle_records import PickleRecords

_POLICIES = list(Policy)
_KINDS = list(EdgeKind)
_LONGEST_LINE = 200


def artifact_page(archive: ArchiveReader) -> dict[str, Json]:
    """Return the data of the page of `archive`. Raises ArchiveError for damaged records."""
    pickles = PickleRecords(archive)
    overview = overview_of(archive, pickles)
    graph = graph_of_archive(archive, pickles)
    contents, tensors = overview.contents, overview.tensors.tensors
    tree = byte_tree(contents.records, overview.belongings, tensors)
    return {
        "page": "artifact",
        "title": archive.root,
        "head": list(head_lines(contents)),
        "edited": [f"{change} since it was built: {name}" for change, name in edits_of(contents)],
        "tree": tree.to_json(),
        "tensors": [
            [each.name, each.form, each.bytes, each.storage, each.in_storage, each.pickle, list(each.also)]
            for each in tensors
        ],
        "records": [[record.name, record.kind, record.bytes, record.sha256] for record in contents.records],
        "groups": [
            {**to_json(group), "status": group.status, "must": group.must_be_installed}
            for group in overview.groups
        ],
        "needed": to_json(overview.needed),
        **_graph_json(archive, overview, graph),
    }


def _graph_json(archive: ArchiveReader, overview: Overview, graph: ModuleGraph) -> dict[str, Json]:
    """The modules and their imports in columns; a root is a module without a policy."""
    names = [*(root for root in graph.roots if root not in graph.nodes), *graph.nodes]
    numbers = {name: number for number, name in enumerate(names)}
    titles = {group.title: number for number, group in enumerate(overview.groups)}
    packed = overview.belongings.packed
    return {
        "modules": {
            "name": list(names),
            "policy": [_policy(graph, name) for name in names],
            "group": [
                titles.get(str(overview.belongings.of_module(name)), -1) if name in graph.nodes else -1
                for name in names
            ],
            "record": [packed.source(name) or "" for name in names],
        },
        **_edges_json(archive, graph.edges, numbers),
    }


def _policy(graph: ModuleGraph, name: str) -> int:
    node = graph.nodes.get(name)
    return _POLICIES.index(node.policy) if node is not None else -1


def _edges_json(archive: ArchiveReader, edges: Sequence[Edge], numbers: Mapping[str, int]) -> dict[str, Json]:
    """The edges in columns, with the place and the text of each import; a text is stored once."""
    texts: dict[str, int] = {"": 0}
    source: list[Json] = []
    target: list[Json] = []
    kind: list[Json] = []
    line: list[Json] = []
    column: list[Json] = []
    text: list[Json] = []
    optional: list[Json] = []
    lines: list[str] = []
    record = ""
    for edge in edges:
        place = edge.location
        shown = ""
        if place is not None:
            if place.path != record:
                # The edges of one module follow each other.
                record, lines = place.path, _lines_of(archive, place.path)
            shown = lines[place.line - 1].strip()[:_LONGEST_LINE] if 0 < place.line <= len(lines) else ""
        source.append(numbers[edge.source])
        target.append(numbers[edge.target])
        kind.append(_KINDS.index(edge.kind))
        line.append(place.line if place is not None else 0)
        column.append(place.column if place is not None else 0)
        text.append(texts.setdefault(shown, len(texts)))
        optional.append(int(edge.optional))
    columns: dict[str, Json] = {
        "source": source,
        "target": target,
        "kind": kind,
        "line": line,
        "column": column,
        "text": text,
        "optional": optional,
    }
    return {"edges": columns, "texts": list(texts)}


def _lines_of(archive: ArchiveReader, record: str) -> list[str]:
    """The lines of a source as the parser counts them; a form feed ends none."""
    if not archive.has(record) or archive.entry(record).is_inflated:
        return []
    return (
        archive.read(record).decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
