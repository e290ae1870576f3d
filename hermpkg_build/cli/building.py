"""What the commands that build have in common: the request, the shortest way, the engine, the JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Invocation
from hermpkg_build.cli.console import Console, printable, size_text
from hermpkg_build.cli.progress import Display, errors_go_to_a_terminal
from hermpkg_build.cli.remote import chosen_settings, remote_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.engine.results import BuildRequest, BuildResult, ExecutedAction, TargetResult
from hermpkg_build.engine.snapshot import find_unchanged
from hermpkg_build.errors import CommandLineError, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.conditions import FactoryConditions
    from hermpkg_build.loading.workspace import Workspace

_MOST_SHOWN = 20


def build_request(invocation: Invocation, *, package: str = "", out: str | None = None) -> BuildRequest:
    """The request for the patterns that are the words of `invocation`."""
    return BuildRequest(
        patterns=invocation.words,
        package=package,
        out=out,
        keep_going=invocation.has("keep-going"),
        conditions=_conditions(invocation.options.get("conditions")),
        jobs=invocation.settings.jobs,
    )


def _conditions(path: str | None) -> FactoryConditions | None:
    """What ``--conditions`` says; None where it is not given."""
    if path is None:
        return None
    from hermpkg_build.core.canonical_json import loads
    from hermpkg_build.core.conditions import read_conditions

    try:
        with open(path, "rb") as file:
            return read_conditions(loads(file.read()))
    except (OSError, ValueError) as error:
        raise CommandLineError(
            f"no conditions can be read from {path}", facts=[("reason", str(error))]
        ) from None


def make_display(invocation: Invocation) -> Display:
    """The display of a build's progress that fits the settings and where standard error goes."""
    settings = invocation.settings
    return Display(
        invocation.console,
        on_terminal=errors_go_to_a_terminal() and not settings.json and settings.verbosity >= 0,
        explain=invocation.has("explain"),
        verbose=settings.verbosity > 0,
    )


def build_patterns(invocation: Invocation, *, out: str | None) -> tuple[BuildResult, HermpkgError | None]:
    """Bring the artifacts of the patterns up to date and print a line for each.

    Targets that are no artifacts have a line where there are no others.

    What was built, and the error where not everything could be. Raises where nothing could begin.
    Where nothing has changed since the last build of the same words neither the loader nor the engine
    is imported.
    """
    chosen = chosen_settings(invocation)
    with closing(make_display(invocation)) as display:
        unchanged = find_unchanged(os.getcwd(), build_request(invocation, out=out))
        if unchanged is None:
            from hermpkg_build.engine.build import BuildFailedError, build

            workspace, package = here()
            request = build_request(invocation, package=package, out=out)
            remote = remote_of(workspace, chosen)
            try:
                result = build(
                    workspace, request, invocation.settings.cache_directory, display, remote=remote
                )
            except BuildFailedError as error:
                return error.result, error
            if not _artifacts(result):
                # The engine tells of artifacts as they are finished.
                _show(result.targets, display)
            return result, None
        result, warnings = unchanged
        for text in warnings:
            display.warning(text)
        _show(_artifacts(result) or result.targets, display)
        return result, None


def _artifacts(result: BuildResult) -> list[TargetResult]:
    """The targets with a file of their own: what a build is for, unless only other targets were asked for."""
    return [target for target in result.targets if target.path]


def _show(targets: Sequence[TargetResult], display: Display) -> None:
    for target in targets:
        display.target_finished(target)


def here() -> tuple[Workspace, str]:
    """The workspace of the current folder, and that folder as a package path ("" for the root)."""
    from hermpkg_build.loading.workspace import find_workspace

    folder = os.getcwd()
    workspace = find_workspace(folder)
    package = os.path.relpath(folder, workspace.root)
    return workspace, "" if package == os.curdir else package.replace(os.sep, "/")


def result_json(result: BuildResult) -> dict[str, Json]:
    """A build's result as the object that ``--json`` prints."""
    actions: Mapping[str, Json] = {
        kind: {"run": counts.run, "cached": counts.cached} for kind, counts in sorted(result.actions.items())
    }
    targets: Sequence[Json] = [
        {
            "label": target.label,
            "path": target.path,
            "sha256": target.sha256,
            "bytes": target.bytes,
            "status": target.status,
            "reasons": list(target.reasons),
        }
        for target in result.targets
    ]
    executed: Sequence[Json] = [
        {
            "kind": action.kind,
            "subject": action.subject,
            "reasons": list(action.reasons),
            **({"where": action.where} if action.where else {}),
        }
        for action in result.executed
    ]
    value: dict[str, Json] = {"targets": targets, "actions": actions, "executed": executed}
    if result.remote is not None:
        value["remote"] = asdict(result.remote)
    return {**value, "wall_s": round(result.wall_s, 4)}


def explain_actions(result: BuildResult, console: Console) -> None:
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
            console.say(
                f"  {kind} {printable(action.subject)}{where}: {printable('; '.join(action.reasons))}"
            )
    if (shared := result.remote) is not None:
        fetched, uploaded = size_text(shared.downloaded_bytes), size_text(shared.uploaded_bytes)
        asked = shared.hits + shared.misses
        console.say(
            f"  shared cache: {shared.hits} of {asked} results; {fetched} fetched, {uploaded} uploaded"
        )
