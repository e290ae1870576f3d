"""Rebuilders judge whether the result of an action can be recalled instead of running it.

They never order anything. A result is recalled when the digest of the action, which covers every input, is
in the action cache (a constructive trace). Inputs that only show while an action runs, such as the files
that a model's factory read, are kept as a trace under the digest of the inputs known before; a recall
checks the inputs of that trace as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import replace
from hermpkg_build.engine.action import Action
from hermpkg_build.store.action_cache import ActionResult

_TRACES_KEPT = 8
"""How many sets of discovered inputs are remembered for one action, newest first."""

InputState = Callable[[str], "str | None"]
"""The present text of a discovered input by its name; None where it is gone."""


class Rebuilder(Protocol):
    """Recalls results and records new ones."""

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        """Return the action with its complete inputs, and its result; None where it must run.

        `state` gives discovered inputs as they are now; without it, the action has none.
        """
        ...

    def record(
        self, action: Action, result: ActionResult, discovered: Mapping[str, str] | None = None
    ) -> Action:
        """Keep `result`, and return the action with its complete inputs."""
        ...


class ActionResults(Protocol):
    """Action results by the digest of the action."""

    def get(self, key: Digest) -> ActionResult | None:
        """Return the result of the action with this digest, None where there is none."""
        ...

    def put(self, key: Digest, result: ActionResult) -> None:
        """Keep a result."""
        ...


class CachingRebuilder:
    """The rebuilder over an action cache."""

    def __init__(self, cache: ActionResults) -> None:
        self._cache = cache

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        """See `Rebuilder`."""
        if state is None:
            result = self._cache.get(action.key)
            return (action, result) if result else None
        for names in self._traces(action):
            texts = {name: state(name) for name in names}
            if any(text is None for text in texts.values()):
                continue
            complete = action.with_inputs(cast("Mapping[str, str]", texts))
            result = self._cache.get(complete.key)
            if result:
                return complete, result
        return None

    def record(
        self, action: Action, result: ActionResult, discovered: Mapping[str, str] | None = None
    ) -> Action:
        """See `Rebuilder`."""
        if discovered is None:
            self._cache.put(action.key, result)
            return action
        complete = action.with_inputs(discovered)
        self._cache.put(complete.key, result)
        names = sorted(discovered)
        traces = [names, *(known for known in self._traces(action) if known != names)]
        facts: Json = {"traces": traces[:_TRACES_KEPT]}
        self._cache.put(self._trace_key(action), ActionResult(outputs={}, facts=facts))
        return complete

    def _traces(self, action: Action) -> list[list[str]]:
        known = self._cache.get(self._trace_key(action))
        facts: Any = known.facts if known else None
        try:
            return [[str(name) for name in names] for names in facts["traces"]]
        except (KeyError, TypeError):
            return []

    @staticmethod
    def _trace_key(action: Action) -> Digest:
        return replace(action, kind=f"{action.kind} trace").key
