"""``hermpkg cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.core.quantities import read_age, read_size
from hermpkg_build.core.texts import aligned, counted, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.store.pruning import Pruned
    from hermpkg_build.store.survey import Survey, WorkspaceSize


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheArguments(CommonArguments):
    """What ``hermpkg cache`` is told; sizes are in bytes, times in seconds."""

    action: str = operand("[gc]")
    max_size: int | None = option(
        "--max-size SIZE",
        "with gc: remove what was not used for longest until no more than SIZE is left, such as 10GB",
        read=read_size,
        default=None,
    )
    older_than: float | None = option(
        "--older-than AGE",
        "with gc: remove what no build has used for AGE, such as 30d or 12h",
        read=read_age,
        default=None,
    )
    dry_run: bool = flag("-n, --dry-run", "with gc: say what would go, and remove nothing")


@command(CacheArguments, group="the workspace and hermpkg itself", example="hermpkg cache gc --max-size 10GB")
def run(arguments: CacheArguments, console: Console) -> ExitCode:
    """Show the size of the cache, by kind and by workspace; ``gc`` makes it smaller.

    A workspace has the entries that its builds have used; those that several have used count for each.
    ``hermpkg cache gc`` without options keeps the limit that builds keep: ``cache-size`` of
    ``[tool.hermpkg]`` or of the user's settings, 20GB where it is not set. What a running build may need
    stays, and so do environments that programs run in, and the artifacts that programs have fetched and use.
    Whatever is removed, no build gives another result: it makes again what it misses.

    Sizes are those on disk, in blocks of 4 KiB.
    """
    if arguments.action not in ("", "gc"):
        raise CommandLineError(
            f"hermpkg cache does not know {arguments.action!r}",
            next_step="hermpkg cache shows the sizes, hermpkg cache gc makes room",
        )
    asks_to_prune = arguments.dry_run or (arguments.max_size, arguments.older_than) != (None, None)
    if asks_to_prune and not arguments.action:
        raise CommandLineError(
            "--max-size, --older-than and --dry-run are options of hermpkg cache gc",
            next_step="example: hermpkg cache gc --max-size 10GB",
        )
    if arguments.action:
        _prune(arguments, console)
    else:
        _show(arguments, console)
    return ExitCode.SUCCESS


def _limit() -> int | None:
    """Return the limit of the workspace here; where there is none, the user's."""
    from hermpkg_build.loading.preferences import cache_limit
    from hermpkg_build.loading.workspace import NoWorkspaceError

    try:
        return cache_limit(current_workspace())
    except NoWorkspaceError:
        return cache_limit(None)


def _prune(arguments: CacheArguments, console: Console) -> None:
    from dataclasses import asdict

    from hermpkg_build.store.pruning import prune_cache
    from hermpkg_build.store.survey import fetched_entries

    chosen = arguments.max_size
    if (arguments.max_size, arguments.older_than) == (None, None):
        chosen = _limit()
    pruned = prune_cache(
        arguments.cache_dir,
        max_bytes=chosen,
        max_age_s=arguments.older_than,
        dry_run=arguments.dry_run,
        others=fetched_entries(arguments.cache_dir),
    )
    console.give_json({"directory": arguments.cache_dir, "dry_run": arguments.dry_run, **asdict(pruned)})
    _tell(pruned, console, dry_run=arguments.dry_run)


def _tell(pruned: Pruned, console: Console, *, dry_run: bool) -> None:
    removed = counted(pruned.removed_entries, "entry", "entries")
    left = counted(pruned.left_entries, "entry", "entries")
    verb = "would remove" if dry_run else "removed"
    console.mention(
        f"{verb} {removed}, {size_text(pruned.removed_bytes)}; left {left}, {size_text(pruned.left_bytes)}"
    )
    if pruned.in_use_entries:
        text = counted(pruned.in_use_entries, "entry", "entries")
        console.mention(f"kept {text} that a running process may need")


def _show(arguments: CacheArguments, console: Console) -> None:
    from dataclasses import asdict

    from hermpkg_build.store.survey import survey_cache

    survey, limit = survey_cache(arguments.cache_dir), _limit_or_none()
    console.give_json({**asdict(survey), "limit_bytes": limit})
    held = "no limit" if limit is None else f"limit {size_text(limit)}"
    console.say(f"{survey.directory}  {size_text(survey.bytes)}  ({held})")
    for line in aligned(
        (f"  {each.kind}", counted(each.entries, _noun(each.kind)), size_text(each.bytes))
        for each in survey.kinds
    ):
        console.say(line)
    for line in _lines_of_workspaces(survey):
        console.say(line)


def _noun(kind: str) -> str:
    from hermpkg_build.store.environments import ENVIRONMENTS
    from hermpkg_build.store.fetched import FETCHED

    return "folder" if kind in (ENVIRONMENTS, FETCHED) else "file"


def _limit_or_none() -> int | None:
    """Return the limit; a workspace whose settings are wrong must not keep anybody from looking."""
    try:
        return _limit()
    except HermpkgError:
        return None


def _lines_of_workspaces(survey: Survey) -> list[str]:
    if not survey.workspaces and not survey.unclaimed_bytes:
        return []
    rows = [(f"  {each.workspace}", size_text(each.bytes), _remark(each)) for each in survey.workspaces]
    if survey.unclaimed_bytes:
        rows.append(("  used by no workspace", size_text(survey.unclaimed_bytes), ""))
    return ["contents and results by workspace:", *aligned(rows)]


def _remark(size: WorkspaceSize) -> str:
    """Say when a workspace's part was used last, what others share of it, and whether it is there."""
    import datetime
    import os

    day = datetime.datetime.fromtimestamp(size.used).date().isoformat()
    shared = f", {size_text(size.shared_bytes)} shared" if size.shared_bytes else ""
    gone = "" if os.path.isdir(size.workspace) else "; this folder is gone"
    return f"last used {day}{shared}{gone}"
