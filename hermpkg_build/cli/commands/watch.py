"""``hermpkg watch``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operands
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.recording import EventArguments, event_file, told_to
from hermpkg_build.cli.remote import chosen_settings
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError, LocalEnvironmentError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hermpkg_build.cli.events import Sink
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.results import BuildRequest
    from hermpkg_build.engine.sighting import Sighting

_MOST_AT_ONCE = 3
"""Builds one after the other for the same path, before that is taken for something that building changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchArguments(EventArguments):
    """What ``hermpkg watch`` is told."""

    patterns: tuple[str, ...] = operands("PATTERN...")
    test: bool = flag("--test", "run the package_test targets too, as `hermpkg test` does")
    keep_going: bool = flag("-k, --keep-going", "build what can be built although a target fails")


@command(WatchArguments, group="build and test", example="hermpkg watch //models:resnet")
def run(arguments: WatchArguments, console: Console) -> ExitCode:
    """Build targets, and again whenever something changes that they are made of, until Ctrl-C.

    That is all that a build looks at: BUILD files, sources, files that globs would match, settings, and
    installed libraries. What changes while a build runs makes another one. A build that fails is told, and
    watching goes on. Needs the extra ``watch``: ``pip install "hermpkg-build[watch]"``.
    """
    from hermpkg_build.engine.results import BuildRequest

    if console.json:
        raise CommandLineError(
            "hermpkg watch has no --json: it never ends with one result",
            next_step="hermpkg build --json gives that of one build",
        )
    wait = _waiter(console)
    chosen_settings(arguments.remote)
    request = BuildRequest(
        patterns=arguments.patterns,
        directory=os.getcwd(),
        keep_going=arguments.keep_going,
        jobs=arguments.jobs,
    )
    with event_file(arguments.events, console.warn) as sinks:
        _watch(lambda: _build(arguments, request, console, sinks), wait, console)
    return ExitCode.SUCCESS


def _watch(build: Callable[[], Sighting], wait: Callable[[Sighting], str], console: Console) -> None:
    """Build, and again after each change, until something is raised."""
    at_once: list[str] = []
    while True:
        seen = build()
        changed = seen.find_change()
        at_once = [*at_once, changed] if changed else []
        if changed and at_once[-_MOST_AT_ONCE:] == [changed] * _MOST_AT_ONCE:
            console.warn(f"building changes {_shown(changed)}: it is watched again after the next change")
            seen.forget(changed)
            changed, at_once = seen.find_change(), []
        if not changed:
            console.note(f"watching {counted(len(seen.files), 'file')}; Ctrl-C ends")
            changed = wait(seen)
        console.note(f"{_shown(changed)} changed")


def _build(
    arguments: WatchArguments, request: BuildRequest, console: Console, sinks: Sequence[Sink]
) -> Sighting:
    """Build once, and return what was looked at. Errors are told; those that are our own bugs are raised."""
    from hermpkg_build.cli.building import call_engine
    from hermpkg_build.cli.commands.test import tell_test
    from hermpkg_build.cli.progress import Display
    from hermpkg_build.engine.sighting import sighting_of

    trees: list[SourceTree] = []
    builds: list[Build] = []
    failed = True

    def work(build: Build) -> None:
        builds.append(build)
        _use_case(arguments)(build)

    tell = partial(tell_test, console, "errors")
    display = Display(console, keep_going=arguments.keep_going, tell_test=tell)
    try:
        with closing(display), told_to(sinks, request, display) as observer:
            call_engine(work, request, arguments, observer, on_tree=trees.append)
        failed = False
    except HermpkgError as error:
        console.describe(error)
    return sighting_of(
        trees[-1] if trees else None, request.directory, builds[-1] if builds and failed else None
    )


def _use_case(arguments: WatchArguments) -> Callable[[Build], object]:
    from hermpkg_build.engine.build import build_targets, run_tests
    from hermpkg_build.engine.test_options import TestOptions

    return partial(run_tests, options=TestOptions()) if arguments.test else build_targets


def _waiter(console: Console) -> Callable[[Sighting], str]:
    """Return what waits for a change. Raises LocalEnvironmentError where no library can tell of changes."""
    try:
        from watchfiles import watch
    except ModuleNotFoundError as error:
        if error.name != "watchfiles":
            raise
        raise LocalEnvironmentError(
            "the extra `watch` is not installed",
            facts=[("missing", "watchfiles")],
            next_step='pip install "hermpkg-build[watch]"',
        ) from None

    def events(folders: Collection[str]) -> Iterator[object]:
        # The first look comes after a second at most: it finds what changed before watching began.
        begin = partial(
            watch,
            *sorted(folders),
            watch_filter=None,
            debounce=400,
            rust_timeout=1000,
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )
        try:
            yield from begin()
        except FileNotFoundError:  # a folder that went: another look tells
            yield ()
        except OSError as error:
            console.warn(f"changes are looked for every few seconds, as the system does not tell: {error}")
            yield from begin(force_polling=True, poll_delay_ms=2000)

    return partial(_wait, events)


def _wait(events: Callable[[Collection[str]], Iterator[object]], seen: Sighting) -> str:
    """Wait for a change of what was `seen`, and return its path.

    A look costs a stat of each file: it is taken when watching begins, when the system tells of a change
    beside these files, and now and then where it does not.
    """
    while True:
        for turn, event in enumerate(events(seen.folders())):
            if (event or turn == 0 or turn % 30 == 0) and (changed := seen.find_change()):
                return changed


def _shown(path: str) -> str:
    """Return a path from the current folder where it lies inside."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
