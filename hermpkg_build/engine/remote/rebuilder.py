"""The rebuilder over two caches: the one of this machine, and behind it the shared one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import replace
from hermpkg_build.engine.rebuilder import CachingRebuilder, InputState, Rebuilder
from hermpkg_build.remote.reapi.entries import INLINE_LIMIT, SharedAction
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.remote.cache import RemoteCache

_TRACES = "traces"
_NEWEST = "newest"
"""The facts of an entry that names discovered inputs: those of `CachingRebuilder`, and ours beside them."""


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


class _Results:
    """The results of one action on the server, by key alone as a rebuilder asks for them.

    Where inputs are discovered, the entry that names them also has the newest result: one request instead of
    two for whoever has the same inputs as the last who ran the action.
    """

    def __init__(self, remote: RemoteCache, name: str, subject: str) -> None:
        self._remote = remote
        self._name = name
        self._subject = subject
        self._newest: tuple[Digest, ActionResult] | None = None

    def get(self, key: Digest) -> ActionResult | None:
        if self._newest is not None and self._newest[0] == key:
            result = self._newest[1]
            if self._remote.fetch(result.outputs.values(), self._subject):
                return result
        found = self._remote.get(self._shared(key))
        if found is not None:
            self._newest = _newest_in(found) or self._newest
        return found

    def put(self, key: Digest, result: ActionResult) -> None:
        if _TRACES not in (result.facts if isinstance(result.facts, dict) else ()):
            self._remote.put(self._shared(key), result)
            self._newest = key, result
        else:
            self._remote.put(self._shared(key), _with_newest(result, self._newest))

    def _shared(self, key: Digest) -> SharedAction:
        return SharedAction(name=self._name, key=key, subject=self._subject)


def _with_newest(traces: ActionResult, newest: tuple[Digest, ActionResult] | None) -> ActionResult:
    """`traces` with the newest result, and with its outputs, where they do not make the entry large."""
    if newest is None or not isinstance(traces.facts, dict):
        return traces
    added = {"key": str(newest[0]), "result": to_json(newest[1])}
    if len(dumps(added)) > INLINE_LIMIT // 2:
        return traces
    outputs = newest[1].outputs
    is_small = sum(digest.size for digest in outputs.values()) <= INLINE_LIMIT
    facts = {**traces.facts, _NEWEST: added}
    return replace(traces, outputs=outputs if is_small else traces.outputs, facts=facts)


def _newest_in(traces: ActionResult) -> tuple[Digest, ActionResult] | None:
    facts: Any = traces.facts
    try:
        newest = facts[_NEWEST]
        return Digest.parse(newest["key"]), from_json(ActionResult, newest["result"])
    except (KeyError, TypeError, ValueError):
        return None


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
