"""``hermpkg diff``."""

from __future__ import annotations

from hermpkg_build.cli.arguments import Command, Invocation
from hermpkg_build.errors import ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Compare the artifacts in two files."""
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.inspection.diff.compare import compare_archives
    from hermpkg_build.inspection.diff.report import tell

    before, after = invocation.words
    with ArchiveReader(before) as a, ArchiveReader(after) as b:
        comparison = compare_archives(a, b)
    if invocation.settings.json:
        invocation.console.give_json(to_json(comparison))
    else:
        for line in tell(comparison, everything=invocation.settings.verbosity > 0):
            invocation.console.mention(line)
    return ExitCode.SUCCESS if comparison.equal else ExitCode.TESTS_FAILED


COMMAND = Command(
    name="diff",
    words="A B",
    summary="Compares two artifacts, of hermpkg or torch.package: objects by their path, tensors by name,\n"
    "code line by line, extern modules and versions. Exit code 0 where every byte is the same, 3 where not.",
    run=run,
    least=2,
    most=2,
)
