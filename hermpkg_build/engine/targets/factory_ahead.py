"""Begins with a factory before it is known whether its result can be recalled, where that is not likely."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.engine.environment import PYTHON_REPOSITORY
from hermpkg_build.factories.make import make_model_object, variables_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hermpkg_build.disk.processes import Children
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.context import Build
    from hermpkg_build.factories.request import ModelObject, ModelRequest


class FactoryAhead(Closing):
    """A factory that runs for `request`, until it has made a model object, or this is closed."""

    def __init__(self, build: Build, request: ModelRequest, children: Children) -> None:
        self._build = build
        self._request = request
        self._children = children
        self._made: ModelObject | BaseException | None = None
        self._thread = threading.Thread(target=self._make, name="hermpkg-factory", daemon=True)
        self._thread.start()

    def result(self) -> ModelObject:
        """Wait for the model object. Raises what `make_model_object` raises."""
        self._thread.join()
        if isinstance(self._made, BaseException):
            raise self._made
        assert self._made is not None
        return self._made

    def close(self) -> None:
        """End the factory, where it runs."""
        if self._thread.is_alive():
            self._children.cancel()
        self._thread.join()

    def _make(self) -> None:
        build = self._build
        try:
            self._made = make_model_object(
                self._request, build.content, children=self._children, warm=build.warm
            )
        except BaseException as problem:  # noqa: BLE001 -- it is raised where somebody waits.
            self._made = problem


def begun_ahead(
    build: Build, action: Action, request: ModelRequest
) -> AbstractContextManager[FactoryAhead | None]:
    """Begin with the factory of `request` where a file of the workspace is not as it was last time.

    To compare all that the factory read, thousands of files of libraries, takes a while; if it turns out that
    an earlier result can be recalled, what has begun ends. There has to be a process to fork it from.
    """
    if (
        build.warm is not None
        and not build.warm.settings.with_build  # All processors have enough to do there.
        and build.executor is None
        and request.conditions == FactoryConditions()
        and _was_edited(build, action)
        and build.warm.has_one_for(request, variables_of(request))
    ):
        try:
            return FactoryAhead(build, request, build.children.part())
        except RuntimeError:  # There can be no more threads.
            pass
    return nullcontext()


def _was_edited(build: Build, action: Action) -> bool:
    """Whether something in the workspace that the factory read last time has another state now."""
    noted = build.notes.inputs_before(action) or {}
    if any(noted.get(name) != state for name, state in action.inputs.items()):
        return False  # No result is known of which all would have to be compared.
    return any(
        build.context.state_of(name) != state
        for name, state in noted.items()
        if name not in action.inputs and not name.startswith((PYTHON_REPOSITORY, "/"))
    )
