"""``hermpkg build``, and what a label alone does."""

from __future__ import annotations

import os

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.errors import ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Build the targets that the words name."""
    from hermpkg_build.cli.building import build_patterns, result_json

    out = invocation.options.get("out")
    result = build_patterns(
        invocation,
        invocation.words,
        out=os.path.abspath(out) if out else None,
        keep_going=invocation.has("keep-going"),
        explain=invocation.has("explain"),
    )
    if invocation.settings.json:
        invocation.console.give_json(result_json(result))
    return ExitCode.SUCCESS


COMMAND = Command(
    name="build",
    words="PATTERN...",
    summary="Builds the artifacts of targets: //pkg:target, :target, //pkg:all, //pkg/..., -//what/to:leave.",
    run=run,
    options=(
        Option(names=("--explain",), help="say of each target why it was built again"),
        Option(names=("--keep-going", "-k"), help="build what can be built although something else failed"),
        Option(names=("--out", "-o"), value="FILE", help="put the artifact at FILE (one target only)"),
    ),
    least=1,
    most=None,
)
