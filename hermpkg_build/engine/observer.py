"""Observers, which a build tells of its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hermpkg_build.engine.results import TargetResult


class BuildObserver:
    """An observer that does nothing; others override what they want to hear of.

    The engine calls one method at a time. `kind` is an action's kind (``analyse``, ``make-model``,
    ``assemble``, ``test``), `subject` its target's label or its module's name.
    """

    def action_started(self, kind: str, subject: str) -> None:
        """Note that an action begins to run."""

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """Note that an action is done: it ran, or a cache had its result and it never started.

        `where` is the executor that ran it, "" for this machine.
        """

    def target_finished(self, result: TargetResult) -> None:
        """Note that a target's artifact is in place."""

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """Note that the shared cache is asked for what an action gave, or told."""

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """Note that a transfer ended, in which `size` bytes were of use, 0 where there was nothing."""

    def uploads_awaited(self, number: int) -> None:
        """Note that the build is done but for so many uploads to the shared cache, which take long.

        KeyboardInterrupt gives them up, and nothing else of the build.
        """

    def cache_pruned(self, entries: int, size: int) -> None:
        """Note that the cache had passed its limit: so many entries are gone, which took `size` bytes."""

    def note(self, text: str) -> None:
        """Note something that is no reason to worry, such as a server that is used for the first time."""

    def warning(self, text: str) -> None:
        """Note something people should know that does not stop the build; `text` has one or more lines."""
