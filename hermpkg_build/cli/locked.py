"""The lock of a workspace and the artifacts that commands check: read and built."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from hermpkg_build.cli.arguments import Invocation
from hermpkg_build.cli.building import build_request, here, make_display
from hermpkg_build.cli.remote import chosen_settings, remote_of
from hermpkg_build.core.lock import LOCK_FILE, Lock
from hermpkg_build.engine.build import build
from hermpkg_build.engine.results import TargetResult
from hermpkg_build.errors import CommandLineError, WorkspaceError


def build_artifacts(invocation: Invocation, patterns: Sequence[str]) -> tuple[str, list[TargetResult]]:
    """The workspace's root, and the artifacts of the patterns, brought up to date; paths are absolute.

    Raises CommandLineError where the patterns name no model_package.
    """
    chosen = chosen_settings(invocation)
    workspace, package = here()
    remote = remote_of(workspace, chosen)
    request = replace(build_request(invocation, package=package), patterns=tuple(patterns))
    with closing(make_display(invocation)) as display:
        result = build(workspace, request, invocation.settings.cache_directory, display, remote=remote)
    artifacts = [
        replace(target, path=os.path.join(workspace.root, target.path))
        for target in result.targets
        if target.path
    ]
    if not artifacts:
        raise CommandLineError(
            f"no model_package among {' '.join(patterns)}",
            next_step="name a model_package target, or a folder with some: //...",
        )
    return workspace.root, artifacts


def read_lock() -> Lock:
    """The lock of the current folder's workspace. Raises WorkspaceError where there is none."""
    path = os.path.join(here()[0].root, LOCK_FILE)
    try:
        with open(path, "rb") as file:
            return Lock.from_bytes(file.read())
    except FileNotFoundError:
        raise WorkspaceError(
            f"there is no {LOCK_FILE} in this workspace",
            facts=[("looked for", path)],
            next_step="write it with hermpkg lock, and keep it under version control",
        ) from None
