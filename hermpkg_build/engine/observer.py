"""How a build tells of its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hermpkg_build.engine.results import TargetResult


class BuildObserver:
    """Hears what a build does, while it does it, and says nothing; subclasses do.

    The engine calls all methods from one thread. `kind` is an action's kind (``analyse``,
    ``make-model``, ``assemble``), `subject` what it works on, for people: a label or a module.
    """

    def action_started(self, kind: str, subject: str) -> None:
        """An action that no cache could answer begins to run."""

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """An action is done: it ran, or the cache answered and it never started.

        `where` is the executor that ran it, "" for this machine.
        """

    def target_finished(self, result: TargetResult) -> None:
        """A target's artifact is in place."""

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """The shared cache is asked for what an action gave, or told; also while nothing else happens."""

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """That is over; `size` bytes went over, 0 where there was nothing."""

    def uploads_awaited(self, number: int) -> None:
        """The build is done but for so many uploads to the shared cache, and has been for a while.

        KeyboardInterrupt gives them up, and nothing else of the build.
        """

    def warning(self, text: str) -> None:
        """Something the user should know that does not stop the build; `text` is one or more lines."""
