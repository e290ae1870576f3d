"""``hermpkg why``."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Command, Invocation
from hermpkg_build.cli.console import printable
from hermpkg_build.cli.remote import REMOTE_OPTIONS, chosen_settings, remote_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.graph import Edge, ModuleGraph
    from hermpkg_build.inspection.why import Reason

_ORIGINS = {
    "workspace": "of the workspace",
    "environment": "of the environment",
    "stdlib": "of the standard library",
    "generated": "source text",
    "missing": "not installed",
}


def run(invocation: Invocation) -> ExitCode:
    """Show how a module came into the artifact of a label, or into the artifact in a file."""
    from hermpkg_build.inspection.why import why

    subject, module = invocation.words
    graph = _graph_of_file(subject) if _is_file(subject) else _graph_of_label(invocation, subject)
    reason = why(graph, module, artifact=subject)
    if invocation.settings.json:
        invocation.console.give_json(_reason_json(reason))
    else:
        _tell(invocation, reason, subject)
    return ExitCode.SUCCESS


def _is_file(subject: str) -> bool:
    """A label never names a file that ends in .pt, but a mistyped file should be reported as one."""
    if subject.startswith(("//", ":", "@")):
        return False
    return os.path.isfile(subject) or subject.endswith((".pt", ".zip"))


def _graph_of_file(path: str) -> ModuleGraph:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.inspection.archive_graph import graph_of_archive

    with ArchiveReader(path) as archive:
        return graph_of_archive(archive)


def _graph_of_label(invocation: Invocation, pattern: str) -> ModuleGraph:
    from hermpkg_build.cli.building import here, make_display
    from hermpkg_build.engine.build import analyse
    from hermpkg_build.engine.results import BuildRequest

    chosen = chosen_settings(invocation)
    workspace, package = here()
    remote = remote_of(workspace, chosen)
    request = BuildRequest(patterns=(pattern,), package=package, jobs=invocation.settings.jobs)
    with closing(make_display(invocation)) as display:
        found = analyse(workspace, request, invocation.settings.cache_directory, display, remote=remote)
    return found.closure.graph


def _tell(invocation: Invocation, reason: Reason, artifact: str) -> None:
    from hermpkg_build.inspection.why import sentence

    console, node = invocation.console, reason.module
    origin = f"of {node.distribution}" if node.distribution else _ORIGINS[str(node.origin)]
    console.say(f"{console.strong(node.name)} ({origin}): {node.policy} in {printable(artifact)}")
    told = [sentence(edge) for edge in reason.chain]
    width = max(map(len, told), default=0)
    for text, edge in zip(told, reason.chain, strict=True):
        place = f"  {edge.location}" if edge.location is not None else ""
        console.say(printable(f"  {text:<{width}}{place}".rstrip()))


def _reason_json(reason: Reason) -> dict[str, Json]:
    node = reason.module
    return {
        "module": node.name,
        "policy": str(node.policy),
        "kind": str(node.kind),
        "origin": str(node.origin),
        "distribution": node.distribution,
        "chain": [_edge_json(edge) for edge in reason.chain],
    }


def _edge_json(edge: Edge) -> dict[str, Json]:
    place = edge.location
    location: Json = None
    if place is not None:
        location = {"path": place.path, "line": place.line, "column": place.column}
    return {"source": edge.source, "target": edge.target, "kind": str(edge.kind), "location": location}


COMMAND = Command(
    name="why",
    words="LABEL|FILE MODULE",
    summary="Shows the chain of imports, with file and line, that brings a module into an artifact.",
    run=run,
    options=REMOTE_OPTIONS,
    least=2,
    most=2,
)
