"""``hermpkg diff``."""

from __future__ import annotations

from contextlib import ExitStack

from hermpkg_build.cli.arguments import operand
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffArguments(EngineArguments):
    """What ``hermpkg diff`` is told: two artifacts, each a label or a file."""

    before: str = operand("LABEL|FILE")
    after: str = operand("LABEL|FILE")


@command(DiffArguments, group="look into artifacts", example="hermpkg diff before.pt //models:resnet")
def run(arguments: DiffArguments, console: Console) -> ExitCode:
    """Compare two artifacts: objects, tensors, code, extern modules.

    An artifact is that of a target, which is built first where it is not up to date, or the one in a file,
    of hermpkg or of torch.package. A file is compared as it was before anything was built:
    ``hermpkg diff hermpkg-out/models/resnet.pt //models:resnet`` shows what edits change.

    Pickles are compared as object graphs, by the path to what differs and its opcode; tensors by name, with
    shape, type, how many elements differ and by how much at most; code and text line by line; then extern
    modules, versions and policies. ``-v`` shows everything where lists are cut.

    The exit code is 0 where every byte is the same, and 3 where not.
    """
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.inspection.diff.compare import compare_archives
    from hermpkg_build.inspection.diff.report import comparison_lines

    with ExitStack() as stack:
        # Those of targets last: the build may put another file in the place of one.
        opened = {
            word: stack.enter_context(open_artifact(word, arguments, console))
            for word in sorted((arguments.before, arguments.after), key=is_file, reverse=True)
        }
        comparison = compare_archives(opened[arguments.before], opened[arguments.after])
    console.give_json(to_json(comparison))
    for line in comparison_lines(comparison, everything=console.verbose):
        console.mention(line)
    return ExitCode.SUCCESS if comparison.equal else ExitCode.TESTS_FAILED
