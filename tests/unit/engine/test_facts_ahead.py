"""Facts that other processes work out ahead are those that a target works out by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.import_facts import ImportFacts
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.disk import unchanged_files
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.facts_ahead import FactsAhead
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.source.source_facts import facts_of_bytes, facts_of_source
from hermpkg_build.store.cache import open_cache

_COUNT = 70
REPOSITORY = Path(__file__).resolve().parents[3]


class Store:
    """Facts in a dictionary; `filled` when it has those of all modules."""

    def __init__(self) -> None:
        self.facts: dict[Digest, bytes] = {}
        self.filled = threading.Event()

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        return {digest: self.facts[digest] for digest in digests if digest in self.facts}

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        self.facts.update(facts)
        if len(self.facts) == _COUNT:
            self.filled.set()


@pytest.fixture
def modules(tmp_path: Path) -> list[ModuleSource]:
    return modules_in(tmp_path)


def modules_in(folder: Path) -> list[ModuleSource]:
    """Write the modules into a folder."""
    found = []
    for number in range(_COUNT):
        path = folder / f"m{number} ü.py"
        path.write_text(f"import a{number}\n", encoding="utf-8")
        found.append(
            ModuleSource(
                name=f"m{number}", kind=ModuleKind.SOURCE, origin=Origin.WORKSPACE, path=str(path), shown="m"
            )
        )
    return found


@pytest.fixture
def journal() -> Journal:
    return Journal(BuildObserver())


def check(facts: CachedFacts, modules: list[ModuleSource], journal: Journal) -> None:
    expected = [facts_of_source(Path(module.path).read_bytes()) for module in modules]
    assert facts.facts_of(modules) == expected
    # Each module is told of once, as one that was analysed.
    assert (journal.counts()["analyse"].run, journal.counts()["analyse"].cached) == (_COUNT, 0)


@pytest.mark.parametrize("helpers", [1, 3])
def test_a_target_finds_what_helpers_have_worked_out(
    modules: list[ModuleSource], journal: Journal, helpers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    facts = CachedFacts(SourceTree(), store, journal, 2)
    with FactsAhead(facts, modules, helpers):
        assert store.filled.wait(60)
    monkeypatch.setattr("hermpkg_build.source.known_facts.facts_of_bytes", None)  # Nothing is left to do.
    check(facts, modules, journal)


def test_each_source_is_read_once(
    modules: list[ModuleSource], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, opened = list[str](), unchanged_files.open_regular

    def noting(path: str) -> tuple[int, FileSignature]:
        read.append(path)
        return opened(path)

    monkeypatch.setattr(unchanged_files, "open_regular", noting)
    check(CachedFacts(SourceTree(), Store(), journal, 2), modules, journal)
    assert sorted(read) == sorted(module.path for module in modules)


def test_a_target_that_comes_first_waits_for_nobody(modules: list[ModuleSource], journal: Journal) -> None:
    facts = CachedFacts(SourceTree(), Store(), journal, 2)
    with FactsAhead(facts, modules, 1):
        check(facts, modules, journal)
    check(facts, modules, journal)


def test_what_helpers_have_found_waits_for_no_target(
    modules: list[ModuleSource], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def slow(data: bytes, path: str = "") -> ImportFacts:
        begun.set()
        assert may_go_on.wait(60)
        return facts_of_bytes(data, path)

    monkeypatch.setattr("hermpkg_build.source.known_facts.facts_of_bytes", slow)
    store = Store()
    facts = CachedFacts(SourceTree(), store, journal, 2)
    target = threading.Thread(target=facts.facts_of, args=(modules[:1],))
    target.start()
    try:
        assert begun.wait(60)
        ahead = FactsAhead(facts, modules[1:], 1)
        for thread in ahead._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert len(store.facts) == _COUNT - 1
    finally:
        may_go_on.set()
        target.join()
    check(facts, modules, journal)


@pytest.mark.parametrize("broken", ["", "/nowhere/python", "/bin/false"])
def test_helpers_that_fail_leave_the_work_to_targets(
    modules: list[ModuleSource], journal: Journal, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", broken)
    facts = CachedFacts(SourceTree(), Store(), journal, 2)
    with FactsAhead(facts, modules, 2) as ahead:
        ahead.close()
    check(facts, modules, journal)


def test_a_source_that_is_gone_stops_nothing(modules: list[ModuleSource], journal: Journal) -> None:
    Path(modules[40].path).unlink()
    store = Store()
    facts = CachedFacts(SourceTree(), store, journal, 2)
    ahead = FactsAhead(facts, modules, 1)
    for thread in ahead._threads:
        thread.join()
    ahead.close()
    assert len(store.facts) == _COUNT - 32, "the batch that it is in is left to targets"


def test_nothing_is_started_for_facts_that_are_known(
    modules: list[ModuleSource], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    CachedFacts(SourceTree(), store, journal, 1).facts_of(modules)
    monkeypatch.setattr("hermpkg_build.engine.facts_ahead.start_helper", None)
    for thread in (ahead := FactsAhead(CachedFacts(SourceTree(), store, journal, 2), modules, 1))._threads:
        thread.join()
    ahead.close()


KILLED = """
import sys
from pathlib import Path
from hermpkg_build.store import index
from tests.unit.engine import test_facts_ahead as tests
index._MOST_UNWRITTEN = 3
modules = tests.modules_in(Path(sys.argv[1]))
cache = tests.open_cache(sys.argv[2])
facts = tests.CachedFacts(tests.SourceTree(), cache.facts, tests.Journal(tests.BuildObserver()), 2)
print("begun", flush=True)
with tests.FactsAhead(facts, modules, 1):
    facts.facts_of(modules)
"""


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.1, 0.3])
def test_what_a_killed_build_wrote_early_is_right(
    modules: list[ModuleSource], journal: Journal, tmp_path: Path, cache_directory: str, seconds: float
) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path), cache_directory]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(seconds)
        process.kill()
    expected = [facts_of_source(Path(module.path).read_bytes()) for module in modules]
    with closing(open_cache(cache_directory)) as cache:
        assert CachedFacts(SourceTree(), cache.facts, journal, 1).facts_of(modules) == expected


def test_a_full_disk_leaves_facts_to_those_who_need_them(
    modules: list[ModuleSource], journal: Journal, small_disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermpkg_build.store.index._MOST_UNWRITTEN", 3)
    with closing(open_cache(small_disk)) as cache:
        with suppress(OSError):
            Path(small_disk, "filling").write_bytes(bytes(1 << 20))
        facts = CachedFacts(SourceTree(), cache.facts, journal, 2)
        with FactsAhead(facts, modules, 1):
            expected = [facts_of_source(Path(module.path).read_bytes()) for module in modules]
            assert facts.facts_of(modules) == expected
