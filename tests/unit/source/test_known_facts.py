"""Facts are worked out once for each sequence of bytes, wherever these lie, and kept."""

from __future__ import annotations

import os
import py_compile
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from hermpkg_build import extension
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import ActionError
from hermpkg_build.source import known_facts
from hermpkg_build.source.known_facts import KnownFacts
from hermpkg_build.source.source_facts import Source, facts_of_source


class Store:
    """Facts in a dictionary."""

    def __init__(self) -> None:
        self.facts: dict[Digest, bytes] = {}

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        return {digest: self.facts[digest] for digest in digests if digest in self.facts}

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        self.facts.update(facts)


@pytest.fixture(params=[1, 2])
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many processes work; the second is a helper that is given files however few there are."""
    monkeypatch.setattr(known_facts, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(known_facts, "_WORTH_WITH_SCANNER", 1)
    return int(request.param)


def files(folder: Path, count: int = 70) -> dict[Digest, Source]:
    sources = {}
    for number in range(count):
        path = folder / f"m{number}.py"
        path.write_text(f"import a{number}\n")
        sources[Digest.of(path.read_bytes())] = Source(path=str(path))
    return sources


def test_what_is_worked_out_is_known_to_the_next(tmp_path: Path, jobs: int) -> None:
    store, sources = Store(), files(tmp_path)
    first = KnownFacts(store, jobs, read=SourceTree().read)
    first.work_out(sources)
    second = KnownFacts(store, jobs)
    second.recall(sources)
    for digest, source in sources.items():
        assert first[digest] == second[digest] == facts_of_source(Path(source.path).read_bytes())


def test_damaged_facts_are_worked_out_again(tmp_path: Path) -> None:
    store, sources = Store(), files(tmp_path, 2)
    damaged, sound = sources
    facts = KnownFacts(store, 1, read=SourceTree().read)
    facts.work_out(sources)
    store.facts[damaged] = b"not facts"
    again = KnownFacts(store, 1)
    again.recall(sources)
    again.learn({damaged: b"nor these"})
    assert (damaged in again, sound in again) == (False, True)
    again.learn(facts.encoded([damaged, Digest.of(b"unknown")]))
    assert again[damaged] == facts[damaged]


def test_a_file_that_changed_after_it_was_digested_is_an_error(tmp_path: Path, jobs: int) -> None:
    sources, tree = files(tmp_path), SourceTree()
    tree.digests([source.path for source in sources.values()])
    (tmp_path / "m1.py").write_text("import other\n")
    facts = KnownFacts(None, jobs, read=tree.read)
    with pytest.raises(ActionError, match="changed while"):
        facts.work_out(sources)


def test_data_that_was_read_counts_whatever_the_file_holds_by_now(tmp_path: Path, jobs: int) -> None:
    sources = {
        digest: Source(path=source.path, data=Path(source.path).read_bytes())
        for digest, source in files(tmp_path).items()
    }
    for source in sources.values():
        Path(source.path).write_text("import other\n")
    facts = KnownFacts(None, jobs)
    facts.work_out(sources)
    modules = [facts[digest].facts.imports[0].module for digest in sources]
    assert modules == [f"a{number}" for number in range(70)]


def test_bytecode_proves_a_source_valid_only_where_it_is_trusted(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "m.py"
    path.write_text("import a  \n")
    py_compile.compile(str(path))
    time = os.stat(path).st_mtime_ns
    path.write_text("import a b\n")
    os.utime(path, ns=(time, time))
    digest = Digest.of(path.read_bytes())
    for trusts in (True, False):
        facts = KnownFacts(None, jobs, read=SourceTree().read)
        facts.work_out({digest: Source(path=str(path), trusts_bytecode=trusts)})
        assert (facts[digest].facts.syntax_problem is None) is trusts


@pytest.mark.parametrize("reader", ["C", "Python"])
def test_helpers_are_started_where_there_is_enough_to_do(reader, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = extension.Choice(object() if reader == "C" else None, "")  # type: ignore[arg-type]
    monkeypatch.setattr(extension, "choose", lambda: choice)
    worth = [count for count in (299, 300, 799, 800) if known_facts._is_worth_processes(count)]
    assert worth == ([800] if reader == "C" else [300, 799, 800])
