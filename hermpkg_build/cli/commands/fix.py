"""``hermpkg fix``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.progress import Display
from hermpkg_build.cli.remote import EngineArguments, build_in_chosen_python, chosen_settings, remote_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build


@dataclass(frozen=True, slots=True, kw_only=True)
class FixArguments(EngineArguments):
    """What ``hermpkg fix`` is told."""

    patterns: tuple[str, ...] = operands("[TARGET...]")
    dry_run: bool = flag("-n, --dry-run", "show what would change, and write nothing")


class _Trials(Display):
    """Shows what runs while it is tried what mends BUILD files; what builds tell is left to them."""

    def warning(self, text: str) -> None:
        """Leave it to the build that follows."""


@command(FixArguments, group="build and test", example="hermpkg fix //models:resnet")
def run(arguments: FixArguments, console: Console) -> ExitCode:
    """Mend BUILD files until their targets build, or a person must decide.

    Adds rules to policies where they take effect, as the table of decisions has it, and removes rules that
    match nothing; adds missing ``deps``, ``srcs``, ``resources`` and ``exports_files``; follows modules and
    files that are new, moved or gone. Comments and form stay. Prints what changes as a unified diff.

    What a macro or an expression makes is told with its place, and not edited. Nothing is written before all
    of it was tried; a file that changes meanwhile is left alone. Without targets it mends ``//...``.
    """
    from hermpkg_build.cli.operands import current_workspace
    from hermpkg_build.engine.opening import open_build
    from hermpkg_build.engine.results import BuildRequest
    from hermpkg_build.generate.fixing.fix import fix
    from hermpkg_build.loading.workspace import package_at

    build_in_chosen_python(arguments)
    patterns, here = arguments.patterns or ("//...",), os.getcwd()
    workspace = current_workspace()
    chosen = chosen_settings(arguments.remote)
    with closing(_Trials(console)) as display:

        def opened(given: Mapping[str, bytes], asked: Sequence[str]) -> AbstractContextManager[Build]:
            request = BuildRequest(
                patterns=tuple(asked), directory=here, keep_going=True, jobs=arguments.jobs
            )
            remote = remote_of(workspace, chosen, display)
            return open_build(workspace, request, arguments.cache_dir, display, remote=remote, given=given)

        package = package_at(workspace, here)
        fixed = fix(workspace, patterns, opened, package=package, dry_run=arguments.dry_run)
    console.give_json(
        {
            "files": [{"path": path, "diff": diff} for path, diff in fixed.diffs.items()],
            "decisions": list(fixed.decisions),
            "left": [error_json(error) for error in (*fixed.computed, *fixed.left)],
        }
    )
    for diff in fixed.diffs.values():
        for line in diff.splitlines():
            console.say(line)
    for text in fixed.decisions:
        console.note(text)
    for error in (*fixed.computed, *fixed.left):
        console.describe(error)
    if not fixed.left:
        how = "nothing to mend" if not fixed.diffs else "the targets build with that"
        console.note(f"{how}: {' '.join(patterns)}")
    return fixed.left[0].exit_code if fixed.left else ExitCode.SUCCESS
