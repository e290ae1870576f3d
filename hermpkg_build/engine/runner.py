"""Runs actions: recalls their results, or does their work, records the result and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.action import Action, reasons_to_run

if TYPE_CHECKING:
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.engine.notes import NoteBook
    from hermpkg_build.engine.rebuilder import InputState, Rebuilder
    from hermpkg_build.engine.results import Status
    from hermpkg_build.store.action_cache import ActionResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[T]):
    """What doing the work of an action gave.

    `result` is what the caches keep of `value`, None where nobody may rely on it. `discovered` are the
    inputs that only showed while the action ran; `where` is the executor that did it, "" for this machine.
    """

    value: T
    result: ActionResult | None
    discovered: Mapping[str, str] | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran(Generic[T]):
    """The value of an action, whether its work was done or its result recalled, and the reasons to do it."""

    value: T
    status: Status
    reasons: tuple[str, ...] = ()


class ActionRunner:
    """Runs the actions of one build, in any thread."""

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
        """Recall the result of `action`, or `do` its work and record the result.

        `reuse` makes the value of a recalled result, and returns None where that is of no use any more,
        such as for a file that is gone. `state` gives discovered inputs as they are now.
        """
        recalled = self._rebuilder.recall(action, state)
        reused = reuse(recalled[1]) if recalled else None
        if recalled and reused:
            self._journal.action_recalled(action.kind, action.subject)
            self._notes.keep_inputs(recalled[0])
            return reused
        self._journal.action_started(action.kind, action.subject)
        try:
            done = do()
        except BaseException:
            self._journal.action_failed(action.kind, action.subject)
            raise
        if done.result is None:
            complete = action.with_inputs(done.discovered or {})
        else:
            complete = self._rebuilder.record(action, done.result, done.discovered)
        reasons = reasons_to_run(self._notes.inputs_before(complete), complete.inputs)
        self._journal.action_ran(
            action.kind, action.subject, reasons, where=done.where, recorded=done.result is not None
        )
        self._notes.keep_inputs(complete)
        return Ran(value=done.value, status="built", reasons=reasons)
