"""``hermpkg why``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import operand
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, location_json, strong
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.texts import aligned
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.core.graph import ModuleGraph
    from hermpkg_build.inspection.why import Reason

_ORIGINS = {
    "workspace": "of the workspace",
    "environment": "of the environment",
    "stdlib": "of the standard library",
    "generated": "source text",
    "missing": "not installed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyArguments(EngineArguments):
    """What ``hermpkg why`` is told: a label or a file, and a module's dotted name."""

    artifact: str = operand("LABEL|FILE")
    module: str = operand("MODULE")


@command(WhyArguments, group="look into artifacts", example="hermpkg why //models:resnet numpy")
def run(arguments: WhyArguments, console: Console) -> ExitCode:
    """Show the chain of imports that brings a module into an artifact.

    The chain is a shortest one, with file and line of each import. The artifact is that of a target, which
    is analysed as for a build, with the factories of its models run where that is needed, or the one in a
    file, of which nothing is run.
    """
    from hermpkg_build.inspection.why import why

    in_file = is_file(arguments.artifact)
    graph = _graph_of_file(arguments.artifact) if in_file else _graph_of_label(arguments, console)
    reason = why(graph, arguments.module, artifact=arguments.artifact)
    console.give_json(_reason_json(reason))
    _tell(console, reason, arguments.artifact)
    return ExitCode.SUCCESS


def _graph_of_file(path: str) -> ModuleGraph:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.inspection.archive_graph import graph_of_archive

    with ArchiveReader(path) as archive:
        return graph_of_archive(archive)


def _graph_of_label(arguments: WhyArguments, console: Console) -> ModuleGraph:
    from hermpkg_build.cli.building import ask_engine
    from hermpkg_build.engine.build import analyse

    return ask_engine(analyse, [arguments.artifact], arguments, console)


def _tell(console: Console, reason: Reason, artifact: str) -> None:
    from hermpkg_build.inspection.why import sentence

    node = reason.module
    origin = f"of {node.distribution}" if node.distribution else _ORIGINS[str(node.origin)]
    console.say(strong(node.name), f" ({origin}): {node.policy} in {artifact}")
    for line in aligned((f"  {sentence(edge)}", str(edge.location or "")) for edge in reason.chain):
        console.say(line)


def _reason_json(reason: Reason) -> dict[str, Json]:
    node = reason.module
    return {
        "module": node.name,
        "policy": str(node.policy),
        "kind": str(node.kind),
        "origin": str(node.origin),
        "distribution": node.distribution,
        "chain": [
            {
                "source": edge.source,
                "target": edge.target,
                "kind": str(edge.kind),
                "location": location_json(edge.location),
            }
            for edge in reason.chain
        ],
    }
