"""``hermpkg build``, and what a label alone does."""

from __future__ import annotations

import os

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.console import error_json
from hermpkg_build.cli.remote import REMOTE_OPTIONS
from hermpkg_build.errors import ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Build the targets that the words name."""
    from hermpkg_build.cli.building import build_patterns, explain_actions, result_json

    out = invocation.options.get("out")
    result, error = build_patterns(invocation, out=os.path.abspath(out) if out else None)
    console = invocation.console
    if invocation.settings.json:
        value = result_json(result)
        console.give_json(value if error is None else {**value, "error": error_json(error)})
    elif invocation.has("explain"):
        explain_actions(result, console)
    if error is not None:
        console.describe(error)
        return error.exit_code
    return ExitCode.SUCCESS


COMMAND = Command(
    name="build",
    words="PATTERN...",
    summary="Builds the artifacts of targets: //pkg:target, :target, //pkg:all, //pkg/..., -//what/to:leave.",
    run=run,
    options=(
        Option(
            names=("--explain",), help="say why targets were built again and actions ran, and what was shared"
        ),
        Option(names=("--keep-going", "-k"), help="build what can be built although something else failed"),
        Option(
            names=("--conditions",),
            value="FILE",
            help="run factories under the conditions that FILE has as JSON",
        ),
        Option(names=("--out", "-o"), value="FILE", help="put the artifact at FILE (one target only)"),
        *REMOTE_OPTIONS,
    ),
    least=1,
    most=None,
)
