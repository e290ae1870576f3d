"""``hermpkg why``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, location_json
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.texts import aligned, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.core.graph import Edge, ModuleGraph
    from hermpkg_build.core.manifest import ManifestModel
    from hermpkg_build.inspection.why import Answer, Reason, RecordReason

_ORIGINS = {
    "workspace": "of the workspace",
    "environment": "of the environment",
    "stdlib": "of the standard library",
    "generated": "source text",
    "missing": "not installed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyArguments(EngineArguments):
    """What ``hermpkg why`` is told: a label or a file, and the name of something in it."""

    artifact: str = operand("LABEL|FILE")
    name: str = operand("MODULE|TENSOR|RECORD")
    all: bool = flag("--all", "show every import that leads to the module, not only a shortest chain")


@command(WhyArguments, group="look into artifacts", example="hermpkg why //models:resnet numpy")
def run(arguments: WhyArguments, console: Console) -> ExitCode:
    """Show what brings a module, a tensor or a file into an artifact.

    For a module it is a shortest chain of imports, with file and line of each; ``--all`` shows every import
    on any way to it, those of the module itself first. A tensor (``layer1.0.weight``) lies in a pickle, which
    a model's factory made, and a data file (``pkg/words.txt``) in the folder of a module that is packed.

    The artifact is that of a target, which is analysed as for a build, with the factories of its models run
    where that is needed, or the one in a file, of which nothing is run.
    """
    from hermpkg_build.inspection.why import all_imports

    answer, graph = _answer(arguments, console)
    imports: Sequence[Edge] | None = None
    if arguments.all and answer.module is not None:
        from hermpkg_build.inspection.why import all_imports

        imports = all_imports(graph, answer.module.module.name)
    console.give_json(_json(answer, imports))
    if answer.module is not None:
        console.say(strong(answer.module.module.name), _module_text(answer.module, arguments.artifact))
        edges = answer.module.chain if imports is None else imports
        for line in _edge_lines(edges):
            console.say(line)
    for line in _other_lines(answer, arguments.artifact):
        console.say(line)
    return ExitCode.SUCCESS


def _answer(arguments: WhyArguments, console: Console) -> tuple[Answer, ModuleGraph]:
    from hermpkg_build.cli.building import ask_engine, open_artifact
    from hermpkg_build.inspection.archive_graph import graph_of_archive
    from hermpkg_build.inspection.why import Answer, why, why_in_archive

    graph: ModuleGraph | None = None
    if not is_file(arguments.artifact):
        from hermpkg_build.engine.build import analyse

        graph = ask_engine(analyse, [arguments.artifact], arguments, console)
        module = why(graph, arguments.name)
        if module is not None:
            return Answer(module=module), graph
    with open_artifact(arguments.artifact, arguments, console) as archive:
        graph = graph or graph_of_archive(archive)
        return why_in_archive(archive, graph, arguments.name), graph


def _module_text(reason: Reason, artifact: str) -> str:
    node = reason.module
    origin = f"of {node.distribution}" if node.distribution else _ORIGINS[str(node.origin)]
    return f" ({origin}): {node.policy} in {artifact}"


def _edge_lines(edges: Iterable[Edge]) -> Iterator[str]:
    from hermpkg_build.inspection.why import sentence

    return aligned(
        (f"  {sentence(edge)}" + (", if it can" if edge.optional else ""), str(edge.location or ""))
        for edge in edges
    )


def _other_lines(answer: Answer, artifact: str) -> Iterator[str]:
    for reason in answer.tensors:
        tensor = reason.tensor
        yield f"{tensor.name} (a tensor, {tensor.form}, {size_text(tensor.bytes)}): in {artifact}"
        yield f"  {tensor.pickle} holds it{_made_by(reason.model)}"
        yield f"  its bytes are in {tensor.storage}" + (f", {tensor.sharing}" if tensor.sharing else "")
    if answer.record is not None:
        yield from _record_lines(answer.record, artifact)


def _record_lines(reason: RecordReason, artifact: str) -> Iterator[str]:
    record = reason.record
    yield f"{record.name} (a {record.kind} record, {size_text(record.bytes)}): in {artifact}"
    for tensor in reason.tensors:
        yield f"  holds {tensor.name}, {tensor.form}, of {tensor.pickle}"
    if reason.model is not None:
        yield f"  the model{_made_by(reason.model)}"
    if reason.beside is None:
        yield f"  belongs to: {reason.group}"
        return
    if record.kind == "resource":
        yield f"  lies in the folder of {reason.beside.module.name}, which is packed:"
    yield from _edge_lines(reason.beside.chain)


def _made_by(model: ManifestModel | None) -> str:
    return "" if model is None else f", which is {model.label}, made by {model.factory}"


def _json(answer: Answer, imports: Sequence[Edge] | None) -> dict[str, Json]:
    from hermpkg_build.core.json_codec import to_json

    value: dict[str, Json] = {}
    if answer.module is not None:
        node = answer.module.module
        value = {
            "module": node.name,
            "policy": str(node.policy),
            "kind": str(node.kind),
            "origin": str(node.origin),
            "distribution": node.distribution,
            "chain": _edges_json(answer.module.chain),
        }
    if imports is not None:
        value["imports"] = _edges_json(imports)
    if answer.tensors:
        value["tensors"] = [
            {**to_json(reason.tensor), "model": to_json(reason.model)} for reason in answer.tensors
        ]
    if answer.record is not None:
        reason = answer.record
        value["record"] = {
            **to_json(reason.record),
            "belongs_to": str(reason.group),
            "tensors": [tensor.name for tensor in reason.tensors],
            "beside": reason.beside.module.name if reason.beside is not None else "",
            "chain": _edges_json(reason.beside.chain) if reason.beside is not None else [],
            "model": to_json(reason.model),
        }
    return value


def _edges_json(edges: Iterable[Edge]) -> list[Json]:
    return [
        {
            "source": edge.source,
            "target": edge.target,
            "kind": str(edge.kind),
            "optional": edge.optional,
            "location": location_json(edge.location),
        }
        for edge in edges
    ]
