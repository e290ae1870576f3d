"""The index remembers digests and facts between processes, and never a wrong one."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.store.cache import Cache, open_cache
from hermpkg_build.store.database import Database

SIGNATURE = (4, 1, 2, 3, 2**63 + 5)
DIGEST = Digest.of(b"data")


@pytest.fixture
def database(tmp_path: Path):
    database = Database(str(tmp_path), writable=True)
    yield database
    database.close()


def reopened(cache: Cache) -> Cache:
    cache.close()
    return open_cache(cache.directory)


def test_digests_and_facts_survive(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    odd = "/w s/" + os.fsdecode(b"\xff") + "/é.py"
    for path in ("/a.py", "/w/a.py", "/w/b.py", odd):
        cache.digests.record(path, SIGNATURE, DIGEST)
    cache.facts.put_many({DIGEST: b"\0facts", Digest.of(b""): b""}, version="1")
    cache = reopened(cache)
    for path in ("/a.py", "/w/a.py", "/w/b.py", odd):
        assert cache.digests.get(path, SIGNATURE) == DIGEST
    assert cache.digests.get("/w/c.py", SIGNATURE) is None
    assert cache.facts.get_many([DIGEST, Digest.of(b""), Digest.of(b"x")], version="1") == {
        DIGEST: b"\0facts",
        Digest.of(b""): b"",
    }
    cache.close()


def test_another_signature_is_another_file(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    cache.digests.record("/w/a.py", SIGNATURE, DIGEST)
    for place in range(len(SIGNATURE)):
        other = list(SIGNATURE)
        other[place] += 1
        assert cache.digests.get("/w/a.py", tuple(other)) is None  # type: ignore[arg-type]
    cache.close()


def test_facts_of_another_version_are_not_given(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    cache.facts.put_many({DIGEST: b"one"}, version="1")
    cache.facts.put_many({DIGEST: b"two"}, version="2")
    assert cache.facts.get_many([DIGEST], version="3") == {}
    cache = reopened(cache)
    assert cache.facts.get_many([DIGEST], version="1") == {DIGEST: b"one"}
    assert cache.facts.get_many([DIGEST], version="2") == {DIGEST: b"two"}
    cache.close()


def test_what_is_new_is_known_before_and_after_the_flush(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    for _ in range(2):
        cache.digests.record("/w/a.py", SIGNATURE, DIGEST)
        cache.facts.put_many({DIGEST: b"facts"}, version="1")
        assert cache.digests.get("/w/a.py", SIGNATURE) == DIGEST
        assert cache.facts.get_many([DIGEST], version="1") == {DIGEST: b"facts"}
        cache.flush()
    cache.close()


def test_a_new_record_replaces_the_old_and_keeps_the_neighbours(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    cache.digests.record("/w/a.py", SIGNATURE, DIGEST)
    cache.digests.record("/w/b.py", SIGNATURE, DIGEST)
    cache = reopened(cache)
    newer = (4, 9, 9, 9, 9)
    cache.digests.record("/w/a.py", newer, Digest.of(b"date"))
    cache = reopened(cache)
    assert cache.digests.get("/w/a.py", SIGNATURE) is None
    assert cache.digests.get("/w/a.py", newer) == Digest.of(b"date")
    assert cache.digests.get("/w/b.py", SIGNATURE) == DIGEST
    cache.close()


def test_what_is_forgotten_stays_forgotten(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    cache.digests.record("/w/a.py", SIGNATURE, DIGEST)
    cache = reopened(cache)
    cache.digests.forget("/w/a.py")
    cache.digests.forget("/never/known.py")
    cache = reopened(cache)
    assert cache.digests.get("/w/a.py", SIGNATURE) is None
    cache.close()


@pytest.mark.parametrize("signature", [(5, 1, 2, 3, 4), (4, 2**63, 2, 3, 4), (4, 1, -(2**63) - 1, 3, 4)])
def test_what_cannot_be_kept_is_not_recorded(cache_directory: str, signature) -> None:
    """A size that is not the digest's; times that lie centuries ahead or back."""
    cache = open_cache(cache_directory)
    cache.digests.record("/w/a.py", signature, DIGEST)
    assert cache.digests.get("/w/a.py", signature) is None
    cache.close()


def test_many_rows_at_once(database: Database) -> None:
    rows = {f"key {number}".encode(): os.urandom(number % 50) for number in range(2500)}
    database.put_many(rows)
    assert database.get_many([*rows, b"absent"]) == rows
    assert database.get_many([]) == {}


def test_keys_that_start_alike_are_apart(database: Database) -> None:
    database.put_many({b"a": b"bc", b"ab": b"c", b"": b"abc"})
    assert database.get_many([b"a", b"ab", b"", b"abc"]) == {b"a": b"bc", b"ab": b"c", b"": b"abc"}


def test_a_row_under_the_number_of_another_key_is_absent(database: Database, tmp_path: Path) -> None:
    database.put_many({b"a": b"1", b"b": b"2"})
    database.close()
    with sqlite3.connect(tmp_path / "index.sqlite3") as connection:
        (one, two) = [row[0] for row in connection.execute("SELECT id FROM entries")]
        connection.execute("UPDATE entries SET id = 0 WHERE id = ?", [one])
        connection.execute("UPDATE entries SET id = ? WHERE id = ?", [one, two])
        connection.execute("UPDATE entries SET id = ? WHERE id = 0", [two])
    connection.close()
    assert database.get_many([b"a", b"b"]) == {}


@pytest.mark.parametrize("value", ["text", 5, 1.5, b"", b"\0" * 40])
def test_a_row_that_is_not_ours_is_absent(database: Database, tmp_path: Path, value: object) -> None:
    database.put_many({b"a": b"1"})
    database.close()
    with sqlite3.connect(tmp_path / "index.sqlite3") as connection:
        connection.execute("UPDATE entries SET data = ?", [value])
    connection.close()
    assert database.get_many([b"a"]) == {}
    database.put_many({b"a": b"2"})
    assert database.get_many([b"a"]) == {b"a": b"2"}


def change_byte(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\x09")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"not a database at all" * 500), id="other file"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: os.truncate(path, 5000), id="cut"),
        pytest.param(lambda path: os.truncate(path, 50), id="cut in the header"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b"entries", b"entrails")), id="schema"
        ),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b"data BLOB", b"dada BLOB")), id="column"
        ),
        pytest.param(lambda path: change_byte(path, 18), id="write version"),
        pytest.param(lambda path: change_byte(path, 47), id="schema format"),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, damage) -> None:
    rows = {f"key {number}".encode(): bytes(100) for number in range(300)}
    for first in ("get", "put"):
        database = Database(str(tmp_path), writable=True)
        database.put_many(rows)
        database.close()
        damage(tmp_path / "index.sqlite3")
        if first == "get":
            found = database.get_many(rows)
            assert found.items() <= rows.items()
        rows[first.encode()] = b"a new row"
        database.put_many(rows)
        assert database.get_many(rows) == rows
        database.close()
        again = Database(str(tmp_path), writable=True)
        assert again.get_many(rows) == rows
        again.close()


@pytest.mark.parametrize("zeros", [100, 300, 500, 800])
def test_a_damaged_order_heals_with_the_next_write(tmp_path: Path, zeros: int) -> None:
    """Rows whose numbers became 0 lie out of order, which SQLite does not notice: it misses other rows."""
    rows = {b"key %d" % number: b"value %d" % number for number in range(40)}
    database = Database(str(tmp_path), writable=True)
    database.put_many(rows)
    database.close()
    path = tmp_path / "index.sqlite3"
    path.write_bytes(path.read_bytes()[:-zeros] + bytes(zeros))
    database.put_many(rows)
    assert database.get_many(rows) == rows
    database.close()


def test_a_flipped_bit_in_a_value_is_a_miss(database: Database, tmp_path: Path) -> None:
    database.put_many({b"a": b"the value", b"b": b"another"})
    database.close()
    path = tmp_path / "index.sqlite3"
    data = path.read_bytes()
    assert data.count(b"the value") == 1
    path.write_bytes(data.replace(b"the value", b"the vblue"))
    assert database.get_many([b"a", b"b"]) == {b"b": b"another"}


def test_replacing_is_logged(database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "index.sqlite3").write_bytes(b"not a database at all" * 500)
    with caplog.at_level(logging.INFO, "hermpkg_build.store"):
        assert database.get_many([b"a"]) == {}
    assert str(tmp_path / "index.sqlite3") in caplog.text


def test_another_process_in_a_transaction_costs_no_reader_anything(tmp_path: Path) -> None:
    database = Database(str(tmp_path), writable=True)
    database.put_many({b"a": b"1"})
    writer = sqlite3.connect(tmp_path / "index.sqlite3", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM entries")
    assert database.get_many([b"a"]) == {b"a": b"1"}
    writer.execute("ROLLBACK")
    writer.close()
    database.close()


def test_no_lock_is_held_between_calls(tmp_path: Path) -> None:
    database = Database(str(tmp_path), writable=True)
    database.put_many({b"a": b"1"})
    database.get_many([b"a"])
    other = sqlite3.connect(tmp_path / "index.sqlite3", isolation_level=None, timeout=0)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("ROLLBACK")
    other.close()
    database.close()


def test_a_folder_that_is_gone_is_an_empty_index(tmp_path: Path) -> None:
    for writable in (True, False):
        database = Database(str(tmp_path / "absent"), writable=writable)
        assert database.get_many([b"a"]) == {}
        database.put_many({b"a": b"1"})
        assert database.get_many([b"a"]) == {}


def test_a_database_that_is_only_read_is_not_changed(tmp_path: Path) -> None:
    writer = Database(str(tmp_path), writable=True)
    writer.put_many({b"a": b"1"})
    writer.close()
    before = (tmp_path / "index.sqlite3").read_bytes()
    reader = Database(str(tmp_path), writable=False)
    assert reader.get_many([b"a"]) == {b"a": b"1"}
    reader.put_many({b"a": b"2"})
    assert reader.get_many([b"a"]) == {b"a": b"1"}
    reader.close()
    assert (tmp_path / "index.sqlite3").read_bytes() == before
    (tmp_path / "index.sqlite3").write_bytes(b"not a database at all" * 500)
    assert reader.get_many([b"a"]) == {}
    assert (tmp_path / "index.sqlite3").exists()
    reader.close()


def test_a_full_disk_loses_rows_and_nothing_else(small_disk: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(small_disk, writable=True)
    database.put_many({b"a": b"1"})
    with caplog.at_level(logging.INFO, "hermpkg_build.store"):
        database.put_many({b"big": bytes(2 << 20)})
    assert "full" in caplog.text
    assert database.get_many([b"a", b"big"]) == {b"a": b"1"}
    database.put_many({b"b": b"2"})
    assert database.get_many([b"a", b"b"]) == {b"a": b"1", b"b": b"2"}
    database.close()


def test_many_facts_are_written_before_the_end(cache_directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.store.index._MOST_UNWRITTEN", 3)
    cache = open_cache(cache_directory)
    digests = [Digest.of(bytes([number])) for number in range(8)]
    for digest in digests:
        cache.facts.put_many({digest: digest.hash.encode()}, version="1")
    assert len(cache.facts._new) < 3
    other = open_cache(cache_directory)  # As one that a killed process leaves.
    assert len(other.facts.get_many(digests, version="1")) == 6
    other.close()
    assert cache.facts.get_many(digests, version="1") == {each: each.hash.encode() for each in digests}
    cache = reopened(cache)
    assert len(cache.facts.get_many(digests, version="1")) == 8
    cache.close()


@pytest.mark.parametrize("fills", [True, False])
def test_facts_that_two_threads_put_at_once_are_kept(
    cache_directory: str, fills: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermpkg_build.store.index._MOST_UNWRITTEN", 1)
    cache = open_cache(cache_directory)
    put_many = Database.put_many

    def put_meanwhile(database: Database, rows: Mapping[bytes, bytes]) -> None:
        put_many(database, rows)
        monkeypatch.setattr(Database, "put_many", put_many)
        monkeypatch.setattr("hermpkg_build.store.index._MOST_UNWRITTEN", 1 if fills else 2)
        cache.facts.put_many({DIGEST: b"facts"}, version="1")

    monkeypatch.setattr(Database, "put_many", put_meanwhile)
    cache.facts.put_many({DIGEST: b"facts"}, version="1")
    cache = reopened(cache)
    assert cache.facts.get_many([DIGEST], version="1") == {DIGEST: b"facts"}
    cache.close()
