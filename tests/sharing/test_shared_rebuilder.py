"""The rebuilder over two caches: local first, what the server knew is local then, traces are merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.executed import RemoteCounts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.rebuilder import CachingRebuilder
from hermpkg_build.engine.remote.rebuilder import SharedRebuilder
from hermpkg_build.remote.cache import RemoteCache
from hermpkg_build.store.action_cache import ActionCache, ActionResult
from hermpkg_build.store.content import ContentStore

pytestmark = pytest.mark.usefixtures("contents_apart")


@dataclass
class Machine:
    """One machine: its store, its cache, and the rebuilder over that and the server."""

    content: ContentStore
    local: CachingRebuilder
    journal: Journal
    remote: RemoteCache
    rebuilder: SharedRebuilder

    def record(self, action: Action, name: str, discovered: Mapping[str, str] | None = None) -> ActionResult:
        """Record the result `name` of an action, and wait until it is shared."""
        result = ActionResult(outputs={"out": self.content.put_bytes(name.encode())}, facts=name)
        self.rebuilder.record(action, result, discovered)
        self.remote.finish()
        return result

    def counts(self) -> tuple[int, int]:
        """Hits and misses."""
        counts = self.journal.remote_counts()
        return counts.hits, counts.misses


@pytest.fixture
def machine(tmp_path: Path, server: Any) -> Callable[[], Machine]:
    """Makes one more machine that shares `server`."""
    count = 0

    def make() -> Machine:
        nonlocal count
        count += 1
        root = str(tmp_path / f"machine-{count}")
        content, local = ContentStore(root), CachingRebuilder(ActionCache(root))
        journal = Journal(BuildObserver())
        remote = RemoteCache(server, content, journal)
        return Machine(content, local, journal, remote, SharedRebuilder(local, remote, journal))

    return make


def action(**inputs: str) -> Action:
    return Action(kind="make-model", version=1, subject="//a:b", inputs=inputs)


def test_what_one_machine_recorded_another_recalls(machine, server):
    one, two = machine(), machine()
    result = one.record(action(seed="1"), "first")
    assert two.rebuilder.recall(action(seed="1")) == (action(seed="1"), result)
    assert two.content.get_bytes(result.outputs["out"]) == b"first"
    assert two.rebuilder.recall(action(seed="2")) is None
    assert two.counts() == (1, 1)


def test_what_the_server_knew_is_local_from_then_on(machine, server):
    one, two = machine(), machine()
    result = one.record(action(seed="1"), "first")
    two.rebuilder.recall(action(seed="1"))
    server.asked.clear()
    assert two.rebuilder.recall(action(seed="1")) == (action(seed="1"), result)
    assert server.asked == []
    assert two.counts() == (1, 0)


def test_discovered_inputs_are_shared_and_judged_here(machine, server):
    one, two = machine(), machine()
    result = one.record(action(), "first", {"a.py": "1"})
    assert two.rebuilder.recall(action(), {"a.py": "2"}.get) is None
    found = two.rebuilder.recall(action(), {"a.py": "1"}.get)
    assert found == (action(**{"a.py": "1"}), result)
    server.asked.clear()
    assert two.rebuilder.recall(action(), {"a.py": "1"}.get) == found
    assert server.asked == []


def test_machines_do_not_drop_each_others_discoveries(machine):
    one, two, three = machine(), machine(), machine()
    first = one.record(action(), "first", {"a.py": "1"})
    second = two.record(action(), "second", {"a.py": "2", "b.py": "1"})
    for files, expected in (({"a.py": "1"}, first), ({"a.py": "2", "b.py": "1"}, second)):
        found = three.rebuilder.recall(action(), files.get)
        assert found is not None
        assert found[1] == expected


def test_contents_lost_here_are_fetched_again(machine):
    one = machine()
    result = one.record(action(), "first")
    path = one.content.path_of(result.outputs["out"])
    assert path is not None
    Path(path).unlink()
    assert one.rebuilder.recall(action()) == (action(), result)
    assert one.content.get_bytes(result.outputs["out"]) == b"first"


def test_contents_lost_everywhere_are_a_miss(machine, server):
    one = machine()
    result = one.record(action(), "first")
    path = one.content.path_of(result.outputs["out"])
    assert path is not None
    Path(path).unlink()
    server.contents.clear()
    assert one.rebuilder.recall(action()) is None


@pytest.mark.parametrize("name", ["a\0b", "/dev/full/x", "../" * 500, "\ud800"])
def test_names_of_another_machine_that_cannot_be_here_are_a_miss(machine, name):
    def state(asked: str) -> str | None:
        return str(Path(asked).stat().st_size)

    one, two = machine(), machine()
    one.record(action(), "first", {name: "1"})
    assert two.rebuilder.recall(action(), state) is None


def test_a_server_that_is_not_asked_counts_nothing(machine, server):
    one = machine()
    one.remote.close()
    assert one.rebuilder.recall(action()) is None
    one.rebuilder.record(action(), ActionResult(outputs={}, facts=None))
    assert server.asked == []
    assert one.local.recall(action()) is not None
    assert one.journal.remote_counts() == RemoteCounts(hits=0, misses=0, downloaded_bytes=0, uploaded_bytes=0)


def test_bytes_are_counted(machine):
    one, two = machine(), machine()
    one.record(action(), "x" * 1000)
    two.rebuilder.recall(action())
    assert one.journal.remote_counts().uploaded_bytes > 1000
    assert 1000 < two.journal.remote_counts().downloaded_bytes < one.journal.remote_counts().uploaded_bytes
    assert Digest.of(b"x" * 1000) in {*two.rebuilder.recall(action())[1].outputs.values()}
