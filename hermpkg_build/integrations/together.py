"""Calls of a model that are made as one where that gives each the result that it has alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from hermpkg_build.serving.inside.batches import ApartError, Arguments, difference, divide, join, shape_of

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
        self._is_proven = False
        self._apart = ""

    def __call__(self, calls: Sequence[Arguments]) -> list[Outcome]:
        """Make the calls, and return their outcomes in their order."""
        outcomes: dict[int, Outcome] = {}
        for indices in self._groups(calls):
            outcomes.update(zip(indices, self._joined([calls[index] for index in indices]), strict=False))
        return [outcomes.get(index) or self._alone(call) for index, call in enumerate(calls)]

    def _groups(self, calls: Sequence[Arguments]) -> list[list[int]]:
        groups: dict[object, list[int]] = {}
        for index, call in enumerate(calls):
            with suppress(ApartError):
                groups.setdefault(shape_of(call), []).append(index)
        return [group for group in groups.values() if len(group) > 1]

    def _joined(self, calls: Sequence[Arguments]) -> list[Outcome]:
        """Make calls as one; return nothing where that cannot be done."""
        if self._apart:
            return []
        try:
            joined = join(calls)
            args, kwargs = joined.arguments
            results = divide(self._function(*args, **kwargs), joined.rows)
            if not self._is_proven:
                self._prove(calls, results)
        except ApartError as error:
            self._apart = str(error)
            _log.warning("calls are made one by one: %s", self._apart)
        except Exception:  # noqa: BLE001 -- one of the calls is wrong: it alone shall fail
            return []
        else:
            return [Outcome(result) for result in results]
        return []

    def _prove(self, calls: Sequence[Arguments], results: Sequence[Any]) -> None:
        for (args, kwargs), result in zip(calls, results, strict=True):
            if found := difference(self._function(*args, **kwargs), result):
                raise ApartError(f"a call alone has another result than together with others: {found}")
        self._is_proven = True

    def _alone(self, call: Arguments) -> Outcome:
        args, kwargs = call
        try:
            return Outcome(self._function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 -- it is the caller's to see
            return Outcome(None, error)
