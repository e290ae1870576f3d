"""The options that record what a build does, in files for other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import option
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.core.file_kinds import EVENTS, PROFILE
from hermpkg_build.dataclass import dataclass, replace

if TYPE_CHECKING:
    from hermpkg_build.cli.events import Sink
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.results import BuildRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EventArguments(EngineArguments):
    """The arguments of commands that can tell other programs what happens; files are absolute."""

    events: str | None = option(
        "--events FILE",
        "write what happens to FILE as it happens, a JSON object a line",
        read=os.path.abspath,
        default=None,
        writes=EVENTS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedArguments(EventArguments):
    """The arguments of commands that can record one build."""

    profile: str | None = option(
        "--profile FILE",
        "write what took how long to FILE in the trace-event format, which ui.perfetto.dev opens",
        read=os.path.abspath,
        default=None,
        writes=PROFILE,
    )


@contextmanager
def recorded(
    arguments: EngineArguments, request: BuildRequest, display: BuildObserver
) -> Iterator[BuildObserver]:
    """A context with an observer that tells `display`, and writes the files that `arguments` name.

    Raises CommandLineError for a file that cannot be written.
    """
    if not isinstance(arguments, RecordedArguments) or (arguments.profile, arguments.events) == (None, None):
        yield display
        return
    from contextlib import ExitStack

    request = replace(request, jobs=arguments.jobs)
    with ExitStack() as stack:
        sinks = stack.enter_context(event_file(arguments.events, display.warning))
        if arguments.profile is not None:
            from hermpkg_build.cli.profile import ProfileFile

            sinks = [*sinks, stack.enter_context(ProfileFile(arguments.profile, display.warning))]
        yield stack.enter_context(told_to(sinks, request, display))


@contextmanager
def event_file(path: str | None, warn: Callable[[str], None]) -> Iterator[Sequence[Sink]]:
    """A context with what takes events and writes them to a file; with nothing where no file is named.

    Raises CommandLineError for a file that cannot be written.
    """
    if path is None:
        yield ()
        return
    from hermpkg_build.cli.events import EventFile

    with EventFile(path, warn) as file:
        yield [file]


@contextmanager
def told_to(sinks: Sequence[Sink], request: BuildRequest, display: BuildObserver) -> Iterator[BuildObserver]:
    """A context that is a build, with an observer that tells `display`, and `sinks` what happens."""
    if not sinks:
        yield display
        return
    from hermpkg_build.cli.events import Recorder
    from hermpkg_build.engine.observer import ObserverGroup

    recorder = Recorder(sinks)
    with recorder.build(request):
        yield ObserverGroup([display, recorder])
