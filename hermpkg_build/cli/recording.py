"""The options that record what a build does, in files for other programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import option
from hermpkg_build.cli.remote import EngineArguments

if TYPE_CHECKING:
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.results import BuildRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedArguments(EngineArguments):
    """The arguments of commands that can record what they do; files are absolute."""

    profile: str | None = option(
        "--profile FILE",
        "write what took how long to FILE in the trace-event format, which ui.perfetto.dev opens",
        read=os.path.abspath,
        default=None,
    )
    events: str | None = option(
        "--events FILE",
        "write what happens to FILE as it happens, a JSON object a line",
        read=os.path.abspath,
        default=None,
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

    from hermpkg_build.cli.events import EventFile, Recorder, Sink
    from hermpkg_build.cli.profile import ProfileFile
    from hermpkg_build.engine.observer import ObserverGroup

    with ExitStack() as stack:
        sinks: list[Sink] = []
        if arguments.events is not None:
            sinks.append(stack.enter_context(EventFile(arguments.events, display.warning)))
        if arguments.profile is not None:
            sinks.append(stack.enter_context(ProfileFile(arguments.profile, display.warning)))
        recorder = Recorder(sinks)
        with recorder.build(replace(request, jobs=arguments.jobs)):
            yield ObserverGroup([display, recorder])
