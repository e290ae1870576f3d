"""Finds out which libraries that a model has not loaded matter to it, by runs where they are not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.analysis.decisions import Decision
from hermpkg_build.core.module_names import is_within
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import replace
from hermpkg_build.errors import ActionError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.request import ModelObject, ModelRequest

if TYPE_CHECKING:
    from hermpkg_build.store.content import ContentStore

_MOST_RUNS = 16
_SHOWN = 8
_NOT_THERE = re.compile(r"No module named '([\w.]+)'")


class _TooManyError(Exception):
    """It would take more runs than people wait for."""


class RunsWithout:
    """Runs of the factory of a model that is `made` already, at most `_MOST_RUNS`; `tell` says why."""

    def __init__(
        self, request: ModelRequest, made: ModelObject, content: ContentStore, tell: Callable[[str], None]
    ) -> None:
        self._request = request
        self._made = made
        self._content = content
        self._tell = tell
        self._left = _MOST_RUNS
        self._failure = ""

    def what_matters(self, optional: Sequence[Decision]) -> Sequence[Decision] | None:
        """Some of what must not be hidden, where that is any; None where too many runs would tell.

        Without all that is left, the model is the same and gives the same.
        """
        try:
            if not optional or self._is_same_without(optional):
                return ()
            if self._left == _MOST_RUNS - 1 and len(optional) > 1:
                names = listed([each.name for each in optional], _SHOWN)
                self._tell(
                    f"the model is another without {names}: it is run again, to see which of them matter"
                )
            if named := self._named(optional):
                return named
            if self._left == _MOST_RUNS - 1 and not self._is_same_without(()):
                return None  # It is another each time.
            return self._parts(optional)
        except _TooManyError:
            return None

    def _parts(self, optional: Sequence[Decision]) -> Sequence[Decision]:
        """Those that matter of some that do, halved until each is alone."""
        if len(optional) == 1:
            return optional
        middle = len(optional) // 2
        halves = optional[:middle], optional[middle:]
        found = [each for half in halves if not self._is_same_without(half) for each in self._parts(half)]
        return found or halves[1]  # They stand in for each other: one half will do.

    def _named(self, optional: Sequence[Decision]) -> Sequence[Decision]:
        """The one that the last failure named as not installed."""
        named = _NOT_THERE.findall(self._failure)[-1:]
        return [
            each for each in optional if any(is_within(name, part) for name in named for part in each.modules)
        ]

    def _is_same_without(self, optional: Sequence[Decision]) -> bool:
        if not self._left:
            raise _TooManyError
        self._left -= 1
        self._failure = ""
        hidden = replace(
            self._request,
            hidden=tuple(module for each in optional for module in each.modules),
            hidden_distributions=tuple(each.name for each in optional if each.version),
        )
        made = self._made
        try:
            without = make_model_object(hidden, self._content)
        except (FactoryError, ActionError) as error:
            self._failure = "\n".join(fact for _, fact in error.facts)
            return False
        return (without.pickle, without.storages, without.output) == (made.pickle, made.storages, made.output)
