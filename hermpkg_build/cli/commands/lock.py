"""``hermpkg lock``."""

from __future__ import annotations

import os

from hermpkg_build.cli.arguments import Command, Invocation
from hermpkg_build.cli.remote import REMOTE_OPTIONS
from hermpkg_build.errors import ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Build the targets and write down what they are."""
    from hermpkg_build.cli.locked import build_artifacts
    from hermpkg_build.core.lock import LOCK_FILE, Lock
    from hermpkg_build.disk.replacing import replace_file
    from hermpkg_build.inspection.verify.lock import TOOL, locked_target

    root, targets = build_artifacts(invocation, invocation.words or ("//...",))
    locked = {
        target.label: locked_target(target.path, sha256=target.sha256, size=target.bytes)
        for target in targets
    }
    data = Lock(tool=TOOL, targets=locked).to_bytes()
    path = os.path.join(root, LOCK_FILE)
    changed = _bytes_at(path) != data
    if changed:
        replace_file(path, data)
    state = "written" if changed else "unchanged"
    console = invocation.console
    if invocation.settings.json:
        hashes = {label: target.sha256 for label, target in locked.items()}
        console.give_json({"lock": path, "status": state, "targets": hashes})
    console.mention(f"{console.strong(LOCK_FILE)}  {state}  {len(locked)} artifacts")
    return ExitCode.SUCCESS


def _bytes_at(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


COMMAND = Command(
    name="lock",
    words="[PATTERN...]",
    summary="Builds artifacts (of //... where nothing is named) and writes hermpkg.lock: the SHA-256\n"
    "of each, its records and extern distributions. `hermpkg verify --locked` holds later builds to it.",
    run=run,
    options=REMOTE_OPTIONS,
    most=None,
)
