"""Builds of several checkouts that share a server: nothing runs twice, nothing breaks with the server."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.engine import snapshot as uptodate
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.rebuilder import CachingRebuilder, InputState
from hermpkg_build.engine.remote.facts import SharedFacts, decode_pack, encode_pack
from hermpkg_build.engine.results import ActionCounts, BuildRequest
from hermpkg_build.remote.cache import RemoteCache
from hermpkg_build.remote.failures import FailureKind, RemoteError
from hermpkg_build.remote.reapi.entries import SharedAction, describe, encode_entry
from hermpkg_build.source.source_facts import FACTS_VERSION
from hermpkg_build.store.action_cache import ActionResult, encode_result
from hermpkg_build.store.content import ContentStore

pytestmark = pytest.mark.usefixtures("contents_apart")

KINDS: tuple[FailureKind, ...] = ("unavailable", "denied", "full", "protocol")


def ran(result: Any) -> int:
    """How many actions were run."""
    return sum(counts.run for counts in result.actions.values())


def test_a_second_clean_checkout_runs_nothing(checkout, server):
    one, two = checkout(), checkout()
    first = one.build(server)
    second = two.build(server)
    assert ran(first) == 4
    assert second.actions["analyse"] == ActionCounts(run=0, cached=3)
    assert second.actions["assemble"] == ActionCounts(run=0, cached=1)
    assert two.artifact == one.artifact
    assert second.remote.hits == 1
    assert second.remote.misses == 0
    assert second.remote.uploaded_bytes == 0
    assert server.closed


def test_only_what_changed_is_run_and_then_shared_too(checkout, server):
    one, two, three = checkout(), checkout(), checkout()
    one.build(server)
    for machine in (two, three):
        machine.write("app/helpers.py", "import csv, json\n")
    second = two.build(server)
    assert second.actions["analyse"] == ActionCounts(run=1, cached=2)
    assert second.actions["assemble"].run == 1
    assert ran(three.build(server)) == 0
    assert ran(checkout().build(server)) == 0


def test_a_build_without_a_server_has_no_counts(checkout):
    assert checkout().build().remote is None


def test_a_reader_takes_and_does_not_give(checkout, server):
    one, two = checkout(), checkout()
    one.build(server)
    server.asked.clear()
    two.write("app/helpers.py", "import csv, json\n")
    assert two.build(server, upload=False).actions["analyse"] == ActionCounts(run=1, cached=2)
    assert set(server.asked) == {"get_result", "download"}


def test_facts_that_were_only_local_come_with_the_next_edition(checkout, server):
    one, two = checkout(), checkout()
    one.build()
    one.write("app/helpers.py", "import csv, json\n")
    two.write("app/helpers.py", "import csv, json\n")
    one.build(server)
    assert two.build(server).actions["analyse"] == ActionCounts(run=0, cached=3)


def test_a_build_that_shares_nothing_loads_nothing_for_it(checkout):
    machine = checkout()
    script = (
        "import sys; from hermpkg_build.cli.main import main; "
        f"assert main(['-C', {str(machine.root)!r}, '--cache-dir', {str(machine.cache)!r}, '//...']) == 0; "
        "print(*sys.modules, sep='\\n')"
    )
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(completed.stdout.split())
    assert "hermpkg_build.engine.build" in loaded
    assert not loaded & {"grpc", "google.protobuf", "urllib3", "zstandard", "concurrent.futures"}
    assert not {name for name in loaded if name.startswith("hermpkg_build.remote")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["get_result", "download", "missing", "upload", "put_result"])
@pytest.mark.parametrize("filled", [False, True])
def test_a_server_that_fails_costs_one_warning(checkout, server, kind, call, filled):
    if filled:
        checkout().build(server)
    alone, machine = checkout(), checkout()
    alone.build()
    machine.write("app/helpers.py", "import csv, json\n")
    alone.write("app/helpers.py", "import csv, json\n")
    alone.build()

    def before(name: str) -> None:
        if name == call:
            raise RemoteError(kind, f"cannot {name}", server="grpc://x")

    server.before = before
    machine.build(server, jobs=2)
    assert machine.artifact == alone.artifact
    assert len(machine.observer.warnings) == (0 if call == "download" and not filled else 1)
    assert server.asked.count(call) <= 8  # as many as there are threads that could be asking already


def test_an_interrupt_gives_up_uploads_and_keeps_the_build(checkout, server):
    machine = checkout()
    let_go = threading.Event()

    def before(name: str) -> None:
        if name == "missing":
            let_go.wait(60)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    server.before = before
    machine.observer.uploads_awaited = interrupt
    try:
        first = machine.build(server)
    finally:
        let_go.set()

    assert server.closed
    assert ran(first) == 4
    assert first.remote.uploaded_bytes == 0
    assert len(machine.observer.warnings) == 1
    again = machine.build(server)
    assert again.targets[0].status == "up-to-date"


def test_a_server_that_was_gone_is_not_mourned_by_builds_that_do_not_ask_it(checkout, server):
    def before(_: str) -> None:
        raise RemoteError("unavailable", "no route", server="grpc://x")

    server.before = before
    machine = checkout()
    machine.build(server)
    assert len(machine.observer.warnings) == 1
    machine.write("app/helpers.py", "import csv, json\n")
    machine.build(server)
    assert len(machine.observer.warnings) == 2
    unchanged = uptodate.find_unchanged(BuildRequest(patterns=("//...",), directory=str(machine.root)))
    assert unchanged is not None
    assert unchanged[1] == ()


def test_facts_found_at_the_same_time_are_all_kept(server, tmp_path):
    def machine(name: str) -> tuple[SharedFacts, RemoteCache]:
        content = ContentStore(str(tmp_path / name))
        remote = RemoteCache(server, content, Journal(BuildObserver()))
        return SharedFacts(remote, content, "1"), remote

    found = [{Digest.of(bytes([number])): b"facts %d" % number} for number in range(2)]
    machines = [machine("one"), machine("two")]
    for facts, _ in machines:
        assert facts.find(dict.fromkeys(found[0] | found[1], "app")) == {}
    for (facts, remote), own in zip(machines, found, strict=True):
        facts.add("app", own)
        remote.finish()
    facts, _ = machine("three")
    assert facts.find(dict.fromkeys(found[0] | found[1], "app")) == found[0] | found[1]


def test_facts_that_are_damaged_are_found_out_again_and_mended(checkout, server):
    checkout().build(server)
    packs = [digest for digest, data in server.contents.items() if decode_pack(data)]
    (pack,) = packs
    damaged = encode_pack(dict.fromkeys(decode_pack(server.contents[pack]), b"hif2 no facts"))
    (name,) = [name for name, entry in server.results.items() if pack.hash.encode() in entry]
    action = SharedAction(name="import-facts 1", key=fingerprint(["import facts", 1, FACTS_VERSION, "//app"]))
    assert describe(action)[0] == name
    outputs = {"facts": Digest.of(damaged)}
    server.contents[Digest.of(damaged)] = damaged
    server.results[name] = encode_entry(
        outputs, encode_result(action.key, ActionResult(outputs=outputs, facts=None))
    )
    assert checkout().build(server).actions["analyse"] == ActionCounts(run=3, cached=0)
    assert checkout().build(server).actions["analyse"] == ActionCounts(run=0, cached=3)


class Mistaken(CachingRebuilder):
    """A cache that knows another artifact for everything."""

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        facts = {"artifact": str(Digest.of(b"other bytes"))}
        return action, ActionResult(outputs={}, facts=facts)


def test_other_bytes_for_the_same_inputs_are_told_of(checkout):
    one, two = checkout(), checkout()
    one.build()
    result = two.build(make_rebuilder=Mistaken)
    assert result.actions["assemble"] == ActionCounts(run=1, cached=0)
    assert two.artifact == one.artifact
    (warning,) = two.observer.warnings
    assert "an earlier build gave other bytes for the same inputs" in warning


def test_two_builds_at_once_share_one_cache_folder_and_one_server(checkout, server):
    machines = [checkout() for _ in range(4)]
    errors: list[BaseException] = []

    def work(machine: Any) -> None:
        try:
            machine.build(server, jobs=2)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[machine]) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({machine.artifact for machine in machines}) == 1
    assert ran(checkout().build(server)) == 0


class HostileServer:
    """Answers as chance has it: with the truth, nothing, damage, another's answer, or an error."""

    def __init__(self, true: Any, seed: int) -> None:
        self._true = true
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def _chance(self, *moods: str) -> str:
        with self._lock:
            return self._random.choice(moods)

    def _ask(self) -> None:
        with self._lock:
            failing = self._random.random() < 0.05
            kind = self._random.choice(KINDS)
        if failing:
            raise RemoteError(kind, "no", server="grpc://x")

    def _damaged(self, data: bytes) -> bytes:
        with self._lock:
            chance = self._random
            place = chance.randrange(len(data) + 1)
            cut = chance.choice(
                [b"", data[place:], data[place + 1 :], bytes([chance.randrange(256)]) + data[place + 1 :]]
            )
            return data[:place] + cut

    def get_result(self, action: Digest) -> bytes | None:
        self._ask()
        data = self._true.results.get(action)
        mood = self._chance("true", "true", "true", "none", "damaged", "other", "nonsense")
        if mood == "other" and self._true.results:
            with self._lock:
                return self._random.choice(list(self._true.results.values()))
        if mood == "nonsense":
            return b"nonsense"
        if data is None or mood == "none":
            return None
        return self._damaged(data) if mood == "damaged" else data

    def put_result(self, action: Digest, result: bytes) -> None:
        self._ask()
        self._true.results[action] = (
            self._damaged(result) if self._chance("true", "damaged") == "damaged" else result
        )

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        self._ask()
        mood = self._chance("true", "all", "none", "others")
        if mood == "others":
            return {Digest.of(b"never asked for")}
        return {d for d in digests if mood == "all" or (mood == "true" and d not in self._true.contents)}

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        self._ask()
        mood = self._chance("true", "true", "lost", "lie", "others")
        if mood == "lie":
            return set()
        if mood == "others":
            return {Digest.of(b"never asked for")}
        return set(digests) if mood == "lost" else self._true.download(digests, content)

    def upload(self, blobs: Any) -> None:
        self._ask()
        if self._chance("true", "forget") == "true":
            self._true.upload(blobs)

    def close(self) -> None:
        pass


SOURCES = [
    ("app/helpers.py", "import csv\n"),
    ("app/helpers.py", "import csv, json\n"),
    ("app/main.py", "import json\n"),
    ("app/main.py", "from app import helpers, more\n"),
    ("app/more.py", "x = 1\n"),
]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(SOURCES)), min_size=1, max_size=5),
)
def test_whatever_a_server_answers_the_bytes_are_those_of_a_build_without_it(
    make_checkout: Callable[[Path], Any],
    make_server: Callable[[], Any],
    seed: int,
    history: list[tuple[int, tuple[str, str]]],
) -> None:
    hostile = HostileServer(make_server(), seed)
    state = {"app/more.py": ""}
    with tempfile.TemporaryDirectory() as folder:
        alone, *machines = (make_checkout(Path(folder, name)) for name in ("alone", "one", "two"))
        for number, (path, text) in history:
            state[path] = text
            for machine, server in ((machines[number], hostile), (alone, None)):
                for name, source in state.items():
                    machine.write(name, source)
                machine.build(server)
            assert machines[number].artifact == alone.artifact


class StuckServer:
    """Gives the same answer to every question, once it has heard one worth repeating."""

    def __init__(self, true: Any) -> None:
        self._true = true
        self.answer: bytes | None = None

    def get_result(self, action: Digest) -> bytes | None:
        return self.answer or self._true.get_result(action)

    def put_result(self, action: Digest, result: bytes) -> None:
        self._true.put_result(action, result)
        if b'"artifact"' in result:
            self.answer = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._true, name)


@pytest.mark.parametrize("careless", [False, True])
def test_a_cache_that_did_not_ask_whose_result_it_is_would_give_stale_bytes(
    checkout, server, monkeypatch, careless
):
    """The control of the law above: what protects from it is the checksum over the key."""
    if careless:
        monkeypatch.setattr(
            "hermpkg_build.remote.cache.decode_result",
            lambda key, data: ActionResult(outputs={}, facts=loads(data.split(b"\n")[1])["facts"]),
        )
    one, alone = checkout(), checkout()
    stuck = StuckServer(server)
    one.build(stuck)
    for machine in (one, alone):
        machine.write("app/helpers.py", "import csv, json\n")
    one.build(stuck)
    alone.build()
    assert (one.artifact == alone.artifact) is not careless


def test_damaged_packs_are_empty() -> None:
    facts = {Digest.of(bytes([number])): b"hif2[%d]" % number for number in range(200)}
    pack = encode_pack(facts)
    assert decode_pack(pack) == facts
    for place in range(len(pack)):
        for damaged in (pack[:place], pack[:place] + pack[place + 1 :]):
            assert decode_pack(damaged) == {}
    assert decode_pack(zlib.compress(b"\n".join([b"nonsense", b"", b"0" * 64 + b"/1"]))) == {}
    assert decode_pack(zlib.compress(bytes(100 << 20))) == {}


def test_packs_stay_within_their_limit() -> None:
    facts = {Digest.of(bytes([number])): b"x" * (1 << 20) for number in range(12)}
    kept = decode_pack(encode_pack(facts))
    assert list(kept) == list(facts)[: len(kept)]
    assert 1 <= len(kept) < len(facts)
