"""Shows what a build does: moving lines on a terminal, plain ones elsewhere, nothing in JSON mode."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from hermpkg_build.cli.console import Console
from hermpkg_build.cli.target_line import target_line
from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.engine.observer import DRAWING, BuildObserver

if TYPE_CHECKING:
    from hermpkg_build.cli.live import LiveLines
    from hermpkg_build.cli.running import Running
    from hermpkg_build.engine.durations import Durations
    from hermpkg_build.engine.results import TargetResult
    from hermpkg_build.engine.test_results import PackageTestResult
    from hermpkg_build.errors import HermpkgError

SILENCE_S = 10.0
"""How long nothing is said where output is no terminal, while something runs."""


class Display(BuildObserver):
    """A build's observer that prints what is finished as it happens, and shows what runs.

    On a terminal that are lines at the bottom, drawn anew all the time: how many steps are done, what runs
    and for how long. Elsewhere a line says so when nothing else was said for `SILENCE_S` seconds. With
    `explain` each target is followed by why it was built, with `keep_going` errors of targets are printed
    as well. `tell_test` prints how a test went. To be closed at the end.
    """

    def __init__(
        self,
        console: Console,
        *,
        explain: bool = False,
        keep_going: bool = False,
        tell_test: Callable[[PackageTestResult], None] | None = None,
    ) -> None:
        self._console = console
        self._explain = explain
        self._tells_errors = keep_going and not console.json
        self._tell_test = tell_test
        self._shows = not console.json and not console.quiet
        self._live: LiveLines | None = None
        self._pulse: Pulse | None = None
        self._running: Running | None = None

    def close(self) -> None:
        """End the moving lines and the signs of life."""
        if self._live is not None:
            self._live.stop()
        if self._pulse is not None:
            self._pulse.stop()

    def steps_planned(self, steps: int, jobs: int, expected: Durations) -> None:
        """Know how far the way is."""
        self._made_running().plan(steps, jobs, expected)

    def step_finished(self) -> None:
        """Count it."""
        self._made_running().step()

    def phase_started(self, kind: str, subject: str) -> None:
        """Show it as running."""
        self._start(kind, subject)

    def phase_finished(self, kind: str, subject: str) -> None:
        """Show it no longer."""
        self._made_running().stop(kind, subject)

    def action_started(self, kind: str, subject: str) -> None:
        """Show the action as running."""
        self._start(kind, subject)
        if self._console.verbose and not errors_go_to_a_terminal():
            from hermpkg_build.cli.running import WORDS

            self._note(f"{WORDS.get(kind, kind)} {subject}")

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """Show the action no longer."""
        self._made_running().stop(kind, subject)
        if self._console.verbose and cached:
            self._note(f"cached: {kind} {subject}")
        if self._console.verbose and where:
            self._note(f"ran on {where}: {kind} {subject}")

    def action_failed(self, kind: str, subject: str) -> None:
        """Show the action no longer."""
        self._made_running().stop(kind, subject)

    def target_finished(self, result: TargetResult) -> None:
        """Print the target's line, and why it was built where that is wanted."""
        self._print(lambda: self._print_target(result))

    def target_failed(self, label: str, error: HermpkgError) -> None:  # noqa: ARG002 - the error names it.
        """Print the error, where the build goes on after it."""
        if self._tells_errors:
            self._print(lambda: self._console.describe(error))

    def test_finished(self, result: PackageTestResult) -> None:
        """Print how the test went."""
        if self._tell_test is not None:
            tell = self._tell_test
            self._print(lambda: tell(result))

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """Show that something is fetched from the shared cache, or uploaded."""
        self._start(direction, subject)

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """Show the transfer no longer; with -v say how many bytes it moved."""
        self._made_running().stop(direction, subject, size)
        if self._console.verbose and size:
            self._note(f"{direction}ed: {subject}  {size_text(size)}")

    def uploads_awaited(self, number: int) -> None:
        """Say which uploads the end of the build waits for, and how to give them up."""
        text = f"{counted(number, 'upload')} to the shared cache; Ctrl-C gives up those that are not done"
        self._start("waiting for", text)
        if not errors_go_to_a_terminal():
            self._note(f"waiting for {text}")

    def cache_pruned(self, entries: int, size: int) -> None:
        """With -v say what the cache has lost."""
        if self._console.verbose:
            text = f"the cache passed its limit: {counted(entries, 'entry', 'entries')} removed"
            self._note(f"{text}, {size_text(size)}")

    def note(self, text: str) -> None:
        """Print the note."""
        self._note(text)

    def warning(self, text: str) -> None:
        """Print the warning."""
        self._print(lambda: self._console.warn(text))

    def _made_running(self) -> Running:
        if self._running is None:
            from hermpkg_build.cli.running import Running

            self._running = Running()
        return self._running

    def _start(self, kind: str, subject: str) -> None:
        """Show some work as running, and begin to show where this is the first."""
        running = self._made_running()
        running.start(kind, subject)
        if not self._shows:
            return
        if errors_go_to_a_terminal():
            if self._live is None:
                from hermpkg_build.cli.live import LiveLines

                self._live = LiveLines(running.lines)
            self._live.start()
        elif self._pulse is None:
            self._pulse = Pulse(running.sign_of_life, self._console.note)
            self._pulse.start()

    def _note(self, text: str) -> None:
        self._print(lambda: self._console.note(text))

    def _print(self, show: Callable[[], None]) -> None:
        """Print above the moving lines."""
        with self._aside():
            show()

    def _aside(self) -> AbstractContextManager[None]:
        if self._live is not None:
            return self._live.aside()
        return nullcontext() if self._pulse is None else self._pulse.aside()

    def _print_target(self, result: TargetResult) -> None:
        self._console.mention(
            *target_line(
                result.label,
                result.path,
                result.sha256,
                result.bytes,
                result.status,
                verbose=self._console.verbose,
            )
        )
        if self._explain:
            known = "built earlier, from the same inputs" if result.status == "cached" else "nothing changed"
            for reason in result.reasons or (known,):
                self._console.say(f"    {reason}")


class Pulse:
    """Says what runs whenever nothing else was said for a while."""

    def __init__(self, sign: Callable[[], str], say: Callable[[str], None]) -> None:
        self._sign = sign
        self._say = say
        self._said = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to look whether something is to be said."""
        threading.Thread(target=self._beat, name=DRAWING, daemon=True).start()

    def stop(self) -> None:
        """Say nothing more."""
        with self._lock:  # no line comes after this
            self._stopped.set()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A context in which something else is said."""
        with self._lock:
            self._said = time.monotonic()
            yield

    def _beat(self) -> None:
        while not self._stopped.wait(max(0.05, self._said + SILENCE_S - time.monotonic())):
            with self._lock:
                if self._stopped.is_set() or time.monotonic() < self._said + SILENCE_S:
                    continue
                self._said = time.monotonic()
                if text := self._sign():
                    self._say(text)


def errors_go_to_a_terminal() -> bool:
    """Whether a moving display on standard error can be seen."""
    try:
        return os.isatty(2) and os.environ.get("TERM") != "dumb"
    except OSError:
        return False
