"""``hermpkg lock``."""

from __future__ import annotations

import os
from contextlib import suppress

from hermpkg_build.cli.arguments import operands
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace, writing
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.cli.styles import strong
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class LockArguments(EngineArguments):
    """What ``hermpkg lock`` is told."""

    patterns: tuple[str, ...] = operands("[PATTERN...]")


@command(LockArguments, group="build and test", example="hermpkg lock //models/...")
def run(arguments: LockArguments, console: Console) -> ExitCode:
    """Write down what artifacts are, for verify --locked.

    Builds artifacts, those of ``//...`` where nothing is named, and writes ``hermpkg.lock`` at the root of
    the workspace: the SHA-256 of each artifact and of its records, its extern distributions with their
    versions, the Python version, and the version of hermpkg. It is sorted, holds nothing of when or where,
    and belongs under version control; ``hermpkg verify --locked`` holds later builds to it.
    """
    from hermpkg_build.cli.building import build_artifacts
    from hermpkg_build.core.lock import LOCK_FILE, Lock
    from hermpkg_build.core.lock_bytes import lock_bytes
    from hermpkg_build.disk.files import read_limited
    from hermpkg_build.disk.replacing import replace_file
    from hermpkg_build.inspection.verify.lock_entries import TOOL, locked_target

    locked = {
        target.label: locked_target(target.path, sha256=target.sha256, size=target.bytes)
        for target in build_artifacts(arguments.patterns or ("//...",), arguments, console)
    }
    data = lock_bytes(Lock(tool=TOOL, targets=locked))
    path = os.path.join(current_workspace().root, LOCK_FILE)
    before = None
    with suppress(OSError):
        before = read_limited(path)
    if changed := before != data:
        with writing(LOCK_FILE, path):
            replace_file(path, data)
    state = "written" if changed else "unchanged"
    hashes = {label: target.sha256 for label, target in locked.items()}
    console.give_json({"lock": path, "status": state, "targets": hashes})
    console.mention(strong(LOCK_FILE), f"  {state}  {counted(len(locked), 'artifact')}")
    return ExitCode.SUCCESS
