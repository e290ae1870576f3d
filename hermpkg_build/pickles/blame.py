"""Finds the object in a graph that pickles, and cannot be made again of what it gave."""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Mapping, Sequence

from hermpkg_build.pickles.graph_writer import GraphWriter, Walk
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.reducing import Reduced, runs_code
from hermpkg_build.pickles.settings import Settings
from hermpkg_build.pickles.trial import Trial


class Blame(GraphWriter):
    """Walks as the writer does, and tries each object when all its parts have been tried.

    Raises UnpicklableError at the first that cannot be loaded by itself: no part of it is to blame.
    """

    def __init__(
        self,
        settings: Settings,
        ranks: Mapping[int, int] | None,
        trial: Trial,
        reductions: dict[int, Reduced],
    ) -> None:
        super().__init__(settings, Output(settings.protocol), ranks, reductions)
        self._trial = trial

    def failure(self, opened: Sequence[object], child: object, error: Exception) -> UnpicklableError:
        """The error for the object that was tried, which is the last that is open."""
        return super().failure(opened, opened[-1] if isinstance(error, _NoWayBackError) else child, error)

    def _reduced(self, reduced: Reduced, key: Hashable | None = None) -> Walk:
        yield from super()._reduced(reduced, key)
        if runs_code(reduced):
            self._try(reduced.obj)

    def _persistent(self, obj: object, persistent: object) -> Walk:
        yield from super()._persistent(obj, persistent)
        self._try(obj)

    def _try(self, obj: object) -> None:
        out = Output(self._settings.protocol)
        pickled = GraphWriter(self._settings, out, self._ranks, self._reductions).dump(obj)
        if (error := self._trial.error_of(pickled)) is not None:
            raise _NoWayBackError(no_way_back(error)) from error


class _NoWayBackError(pickle.PicklingError):
    """An object cannot be loaded."""


def no_way_back(error: Exception) -> str:
    """The words for an error while a pickle was loaded."""
    return f"it pickles, but cannot be made again of that: {type(error).__name__}: {error}"
