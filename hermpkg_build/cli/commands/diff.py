"""``hermpkg diff``."""

from __future__ import annotations

from dataclasses import dataclass

from hermpkg_build.cli.arguments import operand
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffArguments(CommonArguments):
    """What ``hermpkg diff`` is told: two files."""

    before: str = operand("A")
    after: str = operand("B")


@command(DiffArguments, group="look into artifacts", example="hermpkg diff before.pt after.pt")
def run(arguments: DiffArguments, console: Console) -> ExitCode:
    """Compare two artifacts: objects, tensors, code, extern modules.

    They may be of hermpkg or of torch.package. Pickles are compared as object graphs, by the path to what
    differs and its opcode; tensors by name, with shape, type, how many elements differ and by how much at
    most; code and text line by line; then extern modules, versions and policies. ``-v`` shows everything
    where lists are cut.

    The exit code is 0 where every byte is the same, and 3 where not.
    """
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.inspection.diff.compare import compare_archives
    from hermpkg_build.inspection.diff.report import comparison_lines

    with ArchiveReader(arguments.before) as a, ArchiveReader(arguments.after) as b:
        comparison = compare_archives(a, b)
    console.give_json(to_json(comparison))
    for line in comparison_lines(comparison, everything=console.verbose):
        console.mention(line)
    return ExitCode.SUCCESS if comparison.equal else ExitCode.TESTS_FAILED
