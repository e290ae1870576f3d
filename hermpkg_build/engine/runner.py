"""Runs actions: what can be recalled is not done again, and what is done is recorded and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hermpkg_build.engine.action import reasons_to_run

if TYPE_CHECKING:
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.engine.notes import NoteBook
    from hermpkg_build.engine.rebuilder import InputState, Rebuilder
    from hermpkg_build.engine.results import Status
    from hermpkg_build.store.action_cache import ActionResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[T]):
    """What doing an action gave.

    `result` is what the caches keep of `value`, None where nobody may rely on it. `discovered` are the
    inputs that only showed while the action ran; `where` is the executor that did it, "" for this machine.
    """

    value: T
    result: ActionResult | None
    discovered: Mapping[str, str] | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran(Generic[T]):
    """The value of an action, whether it was done or recalled; `reasons` say why it was done."""

    value: T
    status: Status
    reasons: tuple[str, ...] = ()


class ActionRunner:
    """Runs the actions of one build, from any thread."""

    def __init__(self, rebuilder: Rebuilder, journal: Journal, notes: NoteBook) -> None:
        self._rebuilder = rebuilder
        self._journal = journal
        self._notes = notes

    def run(
        self,
        action: Action,
        do: Callable[[], Done[T]],
        *,
        reuse: Callable[[ActionResult], Ran[T] | None],
        state: InputState | None = None,
    ) -> Ran[T]:
        """Recall the result of `action`, or `do` it and record the result.

        `reuse` makes the value of a recalled result, None where it is of no use any more. `state`
        tells of inputs that only show while the action runs.
        """
        recalled = self._rebuilder.recall(action, state)
        reused = reuse(recalled[1]) if recalled else None
        if recalled and reused:
            self._journal.recalled(action.kind, action.subject)
            self._notes.keep_inputs(recalled[0])
            return reused
        self._journal.started(action.kind, action.subject)
        done = do()
        complete = self._record(action, done)
        reasons = reasons_to_run(self._notes.inputs_before(complete), complete.inputs)
        self._journal.ran(
            action.kind, action.subject, reasons, where=done.where, recorded=done.result is not None
        )
        self._notes.keep_inputs(complete)
        return Ran(value=done.value, status="built", reasons=reasons)

    def _record(self, action: Action, done: Done[T]) -> Action:
        """The action with its complete inputs."""
        if done.result is None:
            return action.with_inputs(done.discovered or {})
        return self._rebuilder.record(action, done.result, done.discovered)
