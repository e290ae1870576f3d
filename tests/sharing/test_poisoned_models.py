"""Models on a server whose every entry is spoilt in turn: none of it reaches an artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hermpkg_build.remote.reapi.entries import decode_entry

pytestmark = pytest.mark.usefixtures("contents_apart")

BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "one", factory = "app.main:make", args = {"size": 1}, deps = [":modules"])
model(name = "two", factory = "app.main:make", args = {"size": 2}, deps = [":modules"])
model_package(
    name = "app",
    models = {"models/one.pkl": ":one", "models/two.pkl": ":two"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
"""
MAIN = """
class Thing:
    def __init__(self, size):
        self.size = size

def make(size):
    return Thing(size)
"""
SPOILT: dict[str, Callable[[bytes, bytes], bytes | None]] = {
    "gone": lambda data, other: None,
    "cut": lambda data, other: data[: len(data) * 2 // 3],
    "flipped": lambda data, other: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "another": lambda data, other: other,
}


@pytest.fixture
def models(checkout: Callable[[], Any]) -> Callable[[], Any]:
    """Makes one more checkout with two models in its package."""

    def make() -> Any:
        made = checkout()
        made.write("app/BUILD", BUILD)
        made.write("app/main.py", MAIN)
        return made

    return make


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_entries_are_made_again(models, server, kind):
    first = models()
    first.build(server)
    outputs = {digest for entry in server.results.values() for digest in decode_entry(entry).outputs.values()}
    assert len(outputs) >= 3
    for held, names in ((server.results, list(server.results)), (server.contents, sorted(outputs))):
        true = dict(held)
        for name, other in zip(names, [*names[1:], names[0]], strict=True):
            spoilt = SPOILT[kind](true[name], true[other])
            held.pop(name) if spoilt is None else held.update({name: spoilt})
        machine = models()
        result = machine.build(server)
        assert machine.artifact == first.artifact
        assert machine.observer.warnings == []
        assert result.actions["make-model"].run == 2
        held.update(true)
        whole = models().build(server)
        assert sum(counts.run for counts in whole.actions.values()) == 0


def test_a_model_that_a_result_does_not_tell_of_is_made(models, server):
    """A result whose facts and outputs are of different models, as a bug could write it."""
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.rebuilder import CachingRebuilder
    from hermpkg_build.store.action_cache import ActionResult

    class Mixed(CachingRebuilder):
        def recall(self, action: Action, state: Any = None) -> Any:
            found = super().recall(action, state)
            if found is None or action.kind != "make-model":
                return found
            return found[0], ActionResult(outputs={}, facts=found[1].facts)

    machine = models()
    machine.build()
    artifact = machine.artifact
    assert machine.build(make_rebuilder=Mixed).actions["make-model"].run == 2
    assert machine.artifact == artifact
