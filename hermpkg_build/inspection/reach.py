"""Says how packed modules are reached: the chain of imports from a model to each of several modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.errors import HermpkgError
from hermpkg_build.inspection.archive_graph import graph_of_archive
from hermpkg_build.inspection.why import why


def ways_to_modules(path: str, modules: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The names on a shortest chain from a pickle, or the artifact, to each of the packed `modules`.

    It begins with the pickle and ends with the module. Empty for a file that is no artifact, or is damaged.
    """
    try:
        with ArchiveReader(path) as archive:
            graph = graph_of_archive(archive)
    except HermpkgError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for module in modules:
        reason = why(graph, module)
        if reason is not None and reason.chain:
            found[module] = (reason.chain[0].source, *(edge.target for edge in reason.chain))
    return found
