"""What the commands that build have in common: the request, the shortest way, the engine, the JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Invocation
from hermpkg_build.cli.progress import Display, errors_go_to_a_terminal
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.engine.results import BuildRequest, BuildResult
from hermpkg_build.engine.uptodate import find_unchanged

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


def build_patterns(
    invocation: Invocation,
    patterns: Sequence[str],
    *,
    out: str | None = None,
    keep_going: bool = False,
    explain: bool = False,
) -> BuildResult:
    """Bring the artifacts of `patterns` up to date and print a line for each.

    Where nothing has changed since the last build of the same words neither the loader nor the engine
    is imported.
    """
    settings = invocation.settings
    request = BuildRequest(
        patterns=tuple(patterns), out=out, keep_going=keep_going, jobs=settings.jobs, package=""
    )
    display = Display(
        invocation.console,
        on_terminal=errors_go_to_a_terminal() and not settings.json and settings.verbosity >= 0,
        explain=explain,
        verbose=settings.verbosity > 0,
    )
    with closing(display):
        unchanged = find_unchanged(os.getcwd(), request)
        if unchanged is None:
            return _run_engine(request, settings.cache_directory, display)
        result, warnings = unchanged
        for text in warnings:
            display.warning(text)
        for target in result.targets:
            display.target_finished(target)
        return result


def _run_engine(request: BuildRequest, cache_directory: str, display: Display) -> BuildResult:
    import dataclasses

    from hermpkg_build.engine.build import build

    workspace, package = here()
    return build(workspace, dataclasses.replace(request, package=package), cache_directory, display)


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
    return {"targets": targets, "actions": actions, "wall_s": round(result.wall_s, 4)}
