"""Shows what a build does: a moving display on a terminal, plain lines elsewhere, nothing in JSON mode."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from hermpkg_build.cli.console import Console, faint, good, strong
from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.printable import one_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from hermpkg_build.engine.results import TargetResult

# What people see of an action while it runs, by its kind.
_WORDS = {
    "analyse": "analysing",
    "make-model": "making",
    "assemble": "assembling",
    "test": "testing",
    "fetch": "fetching",
    "upload": "uploading",
}


class Display(BuildObserver):
    """A build's observer that prints one line a finished target, and tells of actions while they run.

    On a terminal the actions that run are shown with their time; the target lines are printed when that
    display has gone, so that the two do not write over each other. With `explain` each line is followed
    by why its target was built. To be closed at the end.
    """

    def __init__(self, console: Console, *, explain: bool = False) -> None:
        self._console = console
        self._explain = explain
        self._spinners = _Spinners(console)
        self._waiting: list[Callable[[], None]] = []

    def close(self) -> None:
        """End the moving display, and print what waited for its end."""
        self._spinners.stop()
        for show in self._waiting:
            show()

    def action_started(self, kind: str, subject: str) -> None:
        """Show the action as running."""
        self._spinners.start(kind, subject)
        if self._console.verbose and not self._spinners.are_shown:
            self._console.note(f"{_WORDS.get(kind, kind)} {subject}")

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """Show the action no longer."""
        self._spinners.stop_one(kind, subject)
        if self._console.verbose and cached:
            self._later(lambda: self._console.note(f"cached: {kind} {subject}"))
        if self._console.verbose and where:
            self._later(lambda: self._console.note(f"ran on {where}: {kind} {subject}"))

    def target_finished(self, result: TargetResult) -> None:
        """Print the target's line, and why it was built where that is wanted."""
        self._later(lambda: self._print_target(result))

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """Show that something is fetched from the shared cache, or uploaded."""
        self._spinners.start(direction, subject)

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """Show the transfer no longer; with -v say how many bytes it moved."""
        self._spinners.stop_one(direction, subject)
        if self._console.verbose and size:
            self._later(lambda: self._console.note(f"{direction}ed: {subject}  {size_text(size)}"))

    def uploads_awaited(self, number: int) -> None:
        """Say which uploads the end of the build waits for, and how to give them up."""
        text = f"{counted(number, 'upload')} to the shared cache; Ctrl-C gives up those that are not done"
        self._spinners.start("waiting for", text)
        if not self._spinners.are_shown:
            self._console.note(f"waiting for {text}")

    def cache_pruned(self, entries: int, size: int) -> None:
        """With -v say what the cache has lost."""
        if self._console.verbose:
            text = f"the cache passed its limit: {counted(entries, 'entry', 'entries')} removed"
            self._later(lambda: self._console.note(f"{text}, {size_text(size)}"))

    def note(self, text: str) -> None:
        """Print the note."""
        self._later(lambda: self._console.note(text))

    def warning(self, text: str) -> None:
        """Print the warning."""
        self._later(lambda: self._console.warn(text))

    def _later(self, show: Callable[[], None]) -> None:
        """Print now, or once the moving display has gone."""
        if self._spinners.are_shown:
            self._waiting.append(show)
        else:
            show()

    def _print_target(self, result: TargetResult) -> None:
        status = good(result.status) if result.status == "built" else faint(result.status)
        sha256 = result.sha256 if self._console.verbose else result.sha256[:16]
        path = f"  {result.path}" if result.path else ""
        details = f"{path}  {size_text(result.bytes)}  sha256:{sha256}"
        self._console.mention(strong(result.label), "  ", status, details)
        if self._explain:
            known = "built earlier, from the same inputs" if result.status == "cached" else "nothing changed"
            for reason in result.reasons or (known,):
                self._console.say(f"    {reason}")


class _Spinners:
    """The actions that run now, each with a spinner and its time, redrawn where errors go to a terminal.

    Rich is imported when the first action starts: a build that has nothing to do never pays for it.
    """

    def __init__(self, console: Console) -> None:
        self.are_shown = _errors_go_to_a_terminal() and not console.json and not console.quiet
        self._color = console.color_errors
        self._progress: Progress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def start(self, kind: str, subject: str) -> None:
        if not self.are_shown:
            return
        if self._progress is None:
            self._progress = _make_progress(self._color)
            self._progress.start()
        text = f"{_WORDS.get(kind, kind)} {one_line(subject)}"
        self._tasks[kind, subject] = self._progress.add_task(text, total=None)

    def stop_one(self, kind: str, subject: str) -> None:
        task = self._tasks.pop((kind, subject), None)
        if task is not None and self._progress is not None:
            self._progress.remove_task(task)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _make_progress(color: bool) -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=RichConsole(stderr=True, no_color=not color),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _errors_go_to_a_terminal() -> bool:
    """Whether a moving display on standard error can be seen."""
    try:
        return os.isatty(2) and os.environ.get("TERM") != "dumb"
    except OSError:
        return False
