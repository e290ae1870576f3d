"""Who passes reports of a build on passes on all of them."""

from __future__ import annotations

import inspect

import pytest

from hermpkg_build.cli.events import EVENTS, Recorder
from hermpkg_build.engine.observer import BuildObserver, ObserverGroup

METHODS = [name for name, each in vars(BuildObserver).items() if inspect.isfunction(each)]


@pytest.mark.parametrize("name", METHODS)
def test_every_report_reaches_every_observer(name: str) -> None:
    heard = []

    class Listener(BuildObserver):
        def __getattribute__(self, asked: str) -> object:
            return lambda *args, **more: heard.append((asked, args, more))

    parameters = [*inspect.signature(getattr(BuildObserver, name)).parameters.values()][1:]
    args = [object() for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    more = {each.name: object() for each in parameters if each.kind is each.KEYWORD_ONLY}
    getattr(ObserverGroup([Listener(), Listener()]), name)(*args, **more)
    assert heard == [(name, (*args,), more)] * 2


@pytest.mark.parametrize("name", METHODS)
def test_every_report_is_an_event(name: str) -> None:
    assert name in vars(Recorder)
    assert name in EVENTS
