"""``hermpkg inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option, whole_number
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode

if TYPE_CHECKING:
    from hermpkg_build.inspection.overview import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectArguments(EngineArguments):
    """What ``hermpkg inspect`` is told: an artifact, a label or a file."""

    artifact: str = operand("LABEL|FILE")
    tree: bool = flag("--tree", "show the records as a tree of folders with sizes, the largest first")
    depth: int | None = option(
        "--depth N",
        "with `--tree`, show N levels of folders (default: all)",
        read=whole_number(1),
        default=None,
    )
    tensors: bool = flag("--tensors", "list all tensors by name, the largest first")
    requirements: bool = flag(
        "--requirements", "print what must be installed where the artifact lands, as a requirements.txt"
    )


@command(InspectArguments, group="look into artifacts", example="hermpkg inspect //models:resnet")
def run(arguments: InspectArguments, console: Console) -> ExitCode:
    """Say what an artifact holds and needs.

    Begins with what a person can act on: what was edited since it was built, what its bytes are for, by
    distribution, with what is packed and what must be installed, and the largest tensors with their names.
    Then it lists records with sizes and digests. Long lists are cut; ``-v`` shows all. The artifact is that
    of a target, which is built first where it is not up to date, or the one in a file.

    Pickles are read as data: nothing of the artifact runs. It may be one of torch.package.
    """
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.inspection.overview import overview_of

    ways = [arguments.tree, arguments.tensors, arguments.requirements]
    if sum(ways) > 1:
        raise CommandLineError("--tree, --tensors and --requirements exclude each other: give one of them")
    if arguments.depth is not None and not arguments.tree:
        raise CommandLineError("--depth says how deep --tree goes: give both")
    with open_artifact(arguments.artifact, arguments, console) as archive:
        overview = overview_of(archive)
    console.give_json(overview.to_json())
    for line in _lines(arguments, overview, everything=console.verbose):
        console.say(line)
    return ExitCode.SUCCESS


def _lines(arguments: InspectArguments, overview: Overview, *, everything: bool) -> Iterator[str]:
    contents = overview.contents
    if arguments.tree:
        from hermpkg_build.inspection.size_tree import SizeTree

        records = [(record.name, record.bytes) for record in contents.records]
        yield from SizeTree.of_records(contents.root, records).lines(arguments.depth)
    elif arguments.tensors:
        from hermpkg_build.inspection.overview import tensor_lines
        from hermpkg_build.inspection.tensors import largest

        yield from tensor_lines(largest(overview.tensors.tensors))
    elif arguments.requirements:
        from importlib.metadata import packages_distributions

        from hermpkg_build.inspection.requirements import requirements_lines

        manifest = contents.manifest
        yield from requirements_lines(
            overview.needed,
            artifact=arguments.artifact,
            python_version=manifest.python_version if manifest is not None else "",
            owners=packages_distributions() if any(each.is_module for each in overview.needed) else None,
        )
    else:
        from hermpkg_build.inspection.overview import summary_lines

        yield from summary_lines(overview, everything=everything)
