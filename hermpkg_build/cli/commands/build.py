"""``hermpkg build``, and what a target pattern alone does."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.recording import RecordedArguments, recorded
from hermpkg_build.cli.remote import build_in_chosen_python, chosen_settings
from hermpkg_build.core.file_kinds import ARTIFACT
from hermpkg_build.core.texts import size_text
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import CommandLineError, ExitCode, GroupedError, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.conditions import FactoryConditions
    from hermpkg_build.engine.executed import ExecutedAction
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.results import BuildRequest, BuildResult

_MOST_SHOWN = 20


def _read_conditions(path: str) -> FactoryConditions:
    from hermpkg_build.core.canonical_json import loads
    from hermpkg_build.core.conditions import read_conditions

    try:
        with open(path, "rb") as file:
            return read_conditions(loads(file.read()))
    except (OSError, ValueError) as error:
        raise CommandLineError(
            f"cannot read the conditions in {path}", facts=[("reason", str(error))]
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildArguments(RecordedArguments):
    """What ``hermpkg build`` is told; `out` is absolute."""

    patterns: tuple[str, ...] = operands("PATTERN...")
    explain: bool = flag(
        "--explain",
        "say why each target was built again and each action ran, and what came from a shared cache",
    )
    inputs: bool = flag(
        "--inputs",
        "list the files of the workspace that the targets are built from; a copy of these builds the same",
    )
    keep_going: bool = flag("-k, --keep-going", "build what can be built although a target fails")
    strict_imports: bool = flag(
        "--strict-imports",
        "fail where functions of packed libraries import modules that are not here, and leave none out",
    )
    conditions: FactoryConditions | None = option(
        "--conditions FILE",
        'run factories under the conditions in FILE, a JSON object such as `{"hash_seed": 7}`, to try '
        "whether they matter",
        read=_read_conditions,
        default=None,
    )
    out: str | None = option(
        "-o, --out FILE",
        "write the artifact to FILE, which must not be one that the build reads; the patterns must name "
        "exactly one model_package",
        read=os.path.abspath,
        default=None,
        writes=ARTIFACT,
    )


@command(BuildArguments, group="build and test", example="hermpkg build //models:resnet")
def run(arguments: BuildArguments, console: Console) -> ExitCode:
    """Build the artifacts of targets.

    Prints a line for each: its label, ``built``, ``cached`` or ``up-to-date``, its path, its size and its
    SHA-256. Artifacts lie in ``hermpkg-out/<folder of the target>/<target>.pt`` under the workspace. A
    pattern alone, without ``build``, does the same.

    Patterns are ``//folder:target``, ``:target``, ``//folder:all``, ``//folder/...``, and
    ``-//folder:target`` to take away what others named. Paths do too, from any folder of the workspace:
    ``folder``, ``./folder/``, ``../folder:target`` and absolute ones. A folder stands for the target of its
    name, or else for all that it declares, as ``.`` does.
    """
    from hermpkg_build.cli.building import result_json

    build_in_chosen_python(arguments)
    result, error = _build(arguments, console)
    if console.json:
        console.give_json({**result_json(result), **({"error": error_json(error)} if error else {})})
    elif arguments.explain:
        _explain_actions(result, console)
    for path in result.inputs or ():
        console.say(f"  {path}")
    if error is not None:
        console.describe(error)
        return error.exit_code
    return ExitCode.SUCCESS


def _build(arguments: BuildArguments, console: Console) -> tuple[BuildResult, HermpkgError | None]:
    """Bring the artifacts of the patterns up to date and print a line for each.

    Where the patterns name no artifact, the other targets have a line. What was built, and the error
    where not everything could be. Raises where nothing could begin. Where nothing has changed since the
    last build of the same words, neither the loader nor the engine is imported.
    """
    from hermpkg_build.cli.progress import Display
    from hermpkg_build.engine.results import BuildRequest

    request = BuildRequest(
        patterns=arguments.patterns,
        directory=os.getcwd(),
        out=arguments.out,
        keep_going=arguments.keep_going,
        conditions=arguments.conditions,
        strict_imports=arguments.strict_imports,
    )
    chosen_settings(arguments.remote)
    with closing(Display(console, explain=arguments.explain, keep_going=arguments.keep_going)) as display:
        try:
            with recorded(arguments, request, display) as observer:
                tells_why = console.json or arguments.explain
                return _bring_up_to_date(arguments, request, observer, tells_why=tells_why), None
        except GroupedError as error:
            # Only the engine's has a result; it is not imported here.
            if (result := getattr(error, "result", None)) is None:
                raise
            return result, error


def _bring_up_to_date(
    arguments: BuildArguments, request: BuildRequest, observer: BuildObserver, *, tells_why: bool
) -> BuildResult:
    """Build what has changed, and tell `observer` of the targets. Raises BuildFailedError.

    With `tells_why` the result tells of the actions that ran.
    """
    from hermpkg_build.cli.building import call_engine
    from hermpkg_build.engine.larger_request import examine_larger
    from hermpkg_build.engine.snapshot import examine, find_renewed

    # A snapshot knows what the build looked at, but not why.
    examined = None if arguments.inputs else examine(request)
    if (examined is None or examined.changed) and not (arguments.inputs or tells_why):
        examined = examine_larger(request, examined) or examined
    renewed = None if examined is None or tells_why else find_renewed(examined)
    if renewed is not None:
        result, told = renewed, [target for target in renewed.targets if target.path] or renewed.targets
    elif examined is not None and not examined.changed:
        result = examined.result()
        for text in examined.snapshot.warnings:
            observer.warning(text)
        told = [target for target in result.targets if target.path] or result.targets
    else:
        from hermpkg_build.engine.build import build_part, build_targets, build_with_inputs
        from hermpkg_build.engine.changed_part import changed_part

        declared = None
        part = changed_part(request, examined) if examined is not None else None
        if part is not None:
            asked, use_case = part.part_of_request(arguments.jobs), partial(build_part, part=part)
            declared = part.declared()
        else:
            asked = replace(request, jobs=arguments.jobs)
            use_case = partial(build_with_inputs if arguments.inputs else build_targets)
        result = call_engine(use_case, asked, arguments, observer, declared=declared)
        # The engine tells of artifacts as they are finished.
        told = () if any(target.path for target in result.targets) else result.targets
    for target in told:
        observer.target_finished(target)
    return result


def _explain_actions(result: BuildResult, console: Console) -> None:
    """Print the actions that ran, and why; of many of one kind only how many. Then what was shared."""
    by_kind: dict[str, list[ExecutedAction]] = {}
    for action in result.executed:
        by_kind.setdefault(action.kind, []).append(action)
    for kind, actions in by_kind.items():
        if len(actions) > _MOST_SHOWN:
            console.say(f"  {kind}: {len(actions)} actions ran; --json lists them")
            continue
        for action in actions:
            where = f" (on {action.where})" if action.where else ""
            console.say(f"  {kind} {action.subject}{where}: {'; '.join(action.reasons)}")
    if (shared := result.remote) is not None:
        fetched, uploaded = size_text(shared.downloaded_bytes), size_text(shared.uploaded_bytes)
        asked = shared.hits + shared.misses
        console.say(
            f"  shared cache: {shared.hits} of {asked} results found; {fetched} fetched, {uploaded} uploaded"
        )
