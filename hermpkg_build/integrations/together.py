"""Calls of a model that are made as one where that gives each the result that it has alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.serving.inside.batches import alike
from hermpkg_build.serving.inside.joining import Joiner

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """How a call ended: with a result, or with an exception."""

    result: Any
    error: Exception | None = None

    def value(self) -> Any:
        """Return the result, or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.result


class Together:
    """Makes calls of `function` as one, joined along the first dimension of their tensors.

    The first that are made so are made one by one, too. Where the results differ beyond rounding, or cannot
    be divided, all calls are made one by one from then on, and the reason is logged. A call that fails fails
    alone.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._joiner = Joiner()

    def __call__(self, calls: Sequence[Arguments]) -> list[Outcome]:
        """Make the calls, and return their outcomes in their order."""
        outcomes: dict[int, Outcome] = {}
        for indices in alike(calls):
            outcomes.update(zip(indices, self._joined([calls[index] for index in indices]), strict=False))
        return [outcomes.get(index) or self._alone(call) for index, call in enumerate(calls)]

    def _joined(self, calls: Sequence[Arguments]) -> list[Outcome]:
        """Make calls as one; return nothing where they are to be made one by one."""
        known = self._joiner.apart
        try:
            results = self._joiner.results(self._call, calls)
        except Exception:  # noqa: BLE001 -- one of the calls is wrong: it alone shall fail
            return []
        if self._joiner.apart != known:
            _log.warning("calls are made one by one: %s", self._joiner.apart)
        return [Outcome(result) for result in results]

    def _call(self, arguments: Arguments) -> Any:
        args, kwargs = arguments
        return self._function(*args, **kwargs)

    def _alone(self, call: Arguments) -> Outcome:
        try:
            return Outcome(self._call(call))
        except Exception as error:  # noqa: BLE001 -- it is the caller's to see
            return Outcome(None, error)
