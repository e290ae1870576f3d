"""The rebuilder over two caches: the one of this machine, and behind it the shared one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.engine.rebuilder import CachingRebuilder, InputState, Rebuilder
from hermpkg_build.remote.reapi.entries import SharedAction

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.store.action_cache import ActionResult


class SharedRebuilder:
    """Recalls results from `local`, else from `remote`; a result of `remote` is local from then on.

    New results are recorded locally at once, and remotely in the background. Inputs that were only
    discovered while actions ran are added to those that other machines discovered.
    """

    def __init__(self, local: Rebuilder, remote: RemoteCache, journal: Journal) -> None:
        self._local = local
        self._remote = remote
        self._journal = journal

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        """See `Rebuilder`. The result's outputs are in the content store, those lost there fetched again."""
        known = self._local.recall(action, state)
        if known is not None and self._remote.fetch(known[1].outputs.values(), action.subject):
            return known
        if not self._remote.asks:
            return None
        found = self._judge(action).recall(action, state and or_none(state))
        self._journal.shared_cache_asked(hit=found is not None)
        if found is not None:
            complete, result = found
            self._local.record(action, result, None if state is None else _discovered(action, complete))
        return found

    def record(
        self, action: Action, result: ActionResult, discovered: Mapping[str, str] | None = None
    ) -> Action:
        """See `Rebuilder`."""
        complete = self._local.record(action, result, discovered)
        self._remote.later(lambda: self._judge(action).record(action, result, discovered))
        return complete

    def _judge(self, action: Action) -> CachingRebuilder:
        return CachingRebuilder(_Results(self._remote, f"{action.kind} {action.version}", action.subject))


@dataclass(frozen=True, slots=True)
class _Results:
    """The results on the server, by key alone as a rebuilder asks for them."""

    remote: RemoteCache
    name: str
    subject: str

    def get(self, key: Digest) -> ActionResult | None:
        return self.remote.get(SharedAction(name=self.name, key=key, subject=self.subject))

    def put(self, key: Digest, result: ActionResult) -> None:
        self.remote.put(SharedAction(name=self.name, key=key, subject=self.subject), result)


def _discovered(action: Action, complete: Action) -> dict[str, str]:
    """The inputs that `complete` has beyond those of `action`."""
    return {name: text for name, text in complete.inputs.items() if action.inputs.get(name) != text}


def or_none(state: InputState) -> InputState:
    """`state`, with None for names of another machine that cannot be paths on this one."""

    def guarded(name: str) -> str | None:
        try:
            return state(name)
        except (OSError, ValueError):
            return None

    return guarded
