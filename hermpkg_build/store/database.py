"""A table of checksummed rows in SQLite that can be lost at any time and is never wrong."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import zlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from hermpkg_build.disk.files import remove_file
from hermpkg_build.store.failures import log_corrupt

if TYPE_CHECKING:
    import sqlite3

_T = TypeVar("_T")
_RESIDUE = 0x2144DF1C
"""The CRC-32 of anything followed by its own CRC-32, the low byte first."""

_BATCH = 500
"""Keys in one query; SQLite before 3.32 takes no more than 999."""

_BUSY_SECONDS = 10.0


class Database:
    """Values by key, both bytes, in ``<folder>/index.sqlite3``.

    Reads lock for the time of one query, writes for that of one transaction; the rollback journal
    (rather than a write-ahead log) also works on network and read-only file systems. A process
    killed in a transaction leaves a journal that the next one rolls back. Nothing is synchronised
    to the disk: the checksums catch what a power failure leaves, as any other damage.

    Nothing raises for the state of the file: rows that cannot be read are absent, rows that cannot
    be written are dropped, a file that is not a database is replaced; all this is logged.
    """

    def __init__(self, folder: str, *, writable: bool) -> None:
        self._path = os.path.join(folder, "index.sqlite3")
        self.writable: bool = writable
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those of `keys` that are there and whole."""
        wanted = {_row_number(key): key for key in keys}
        found: dict[bytes, bytes] = {}
        for number, data in self._attempt(lambda connection: _select(connection, list(wanted))) or ():
            key = wanted[number]
            value = _unpack(key, data)
            if value is not None:
                found[key] = value
        return found

    def put_many(self, rows: Mapping[bytes, bytes]) -> None:
        """Write all of `rows`, or none, in one transaction."""
        if self.writable and rows:
            packed = {_row_number(key): _pack(key, value) for key, value in rows.items()}
            self._attempt(lambda connection: _insert(connection, packed))

    def remove(self, is_lost: Callable[[bytes], bool]) -> int:
        """Remove the rows whose keys are lost, and give the room back; return how many there were."""
        if not self.writable:
            return 0
        return self._attempt(lambda connection: _remove(connection, is_lost)) or 0

    def sizes(self, kind_of: Callable[[bytes], str]) -> dict[str, tuple[int, int]]:
        """Count the rows, and add up their bytes, by a kind that each key tells."""
        return self._attempt(lambda connection: _sizes(connection, kind_of)) or {}

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                connection.close()

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """The result of `work`, attempted again where the file is damaged; None where it fails."""
        with self._lock:
            done, result = self._attempt_once(work)
            if not done and self.writable:
                done, result = self._attempt_once(work)
            return result

    def _attempt_once(self, work: Callable[[sqlite3.Connection], _T]) -> tuple[bool, _T | None]:
        """Whether another attempt would not help, and the result of `work`."""
        import sqlite3

        try:
            return True, work(self._open())
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.close()
            if not _is_damage(error) and not _forbids_writing(self._path):
                _log_unused(error)
                return True, None
        log_corrupt("index", self._path)
        if self.writable:
            with suppress(OSError):
                # The journal goes first: it must not outlive its database and be taken for another's.
                remove_file(f"{self._path}-journal")
                remove_file(self._path)
        return False, None

    def _open(self) -> sqlite3.Connection:
        """The connection of this process; one inherited by a fork is not used, as SQLite demands."""
        import sqlite3

        if self._connection is not None and self._process == os.getpid():
            return self._connection
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            # SQLite would wait for the other end of a pipe.
            raise sqlite3.DatabaseError("not a regular file")
        connection = sqlite3.connect(
            f"file:{_quoted(self._path)}?mode={'rwc' if self.writable else 'ro'}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection, self._process = connection, os.getpid()
        # Damage can make a text of a blob; as bytes it meets the checksum instead of a decoder.
        connection.text_factory = bytes
        if self.writable:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, data BLOB NOT NULL)"
            )
        return connection


def _select(connection: sqlite3.Connection, numbers: list[int]) -> list[tuple[int, bytes]]:
    rows: list[tuple[int, bytes]] = []
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        query = f"SELECT id, data FROM entries WHERE id IN ({','.join('?' * len(part))})"  # noqa: S608
        rows += connection.execute(query, part).fetchall()
    return rows


def _insert(connection: sqlite3.Connection, rows: dict[int, bytes]) -> None:
    """Write `rows` in one transaction; closing the connection after a failure rolls it back.

    In a tree whose order is damaged SQLite reports success for rows that it will not find again.
    """
    import sqlite3

    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO entries (id, data) VALUES (?, ?)", rows.items())
    if dict(_select(connection, list(rows))) != rows:
        raise sqlite3.DatabaseError("rows that were written do not come back")
    connection.execute("COMMIT")


def _remove(connection: sqlite3.Connection, is_lost: Callable[[bytes], bool]) -> int:
    lost = [
        (number,)
        for number, data in connection.execute("SELECT id, data FROM entries")
        if isinstance(data, bytes) and is_lost(_key_of(data))
    ]
    if lost:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM entries WHERE id = ?", lost)
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    return len(lost)


def _sizes(connection: sqlite3.Connection, kind_of: Callable[[bytes], str]) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    for (data,) in connection.execute("SELECT data FROM entries"):
        if isinstance(data, bytes):
            kind = kind_of(_key_of(data))
            count, size = sizes.get(kind, (0, 0))
            sizes[kind] = (count + 1, size + len(data))
    return sizes


def _key_of(data: bytes) -> bytes:
    """The key that a row begins with, whole or not."""
    return data[2 : 2 + int.from_bytes(data[:2], "little")]


def _is_damage(error: Exception) -> bool:
    """Whether the file is at fault, rather than the machine (busy, full, not allowed).

    A damaged schema can get into the text of an error, which Python then fails to decode. It has
    OperationalError for the machine's faults, but also for a schema that is not ours: "no such
    table", "no such column", "table entries has no column named data", "unsupported file format".
    """
    import sqlite3

    of_the_file = re.search("no such|no column|unsupported file format", str(error))
    return not isinstance(error, sqlite3.OperationalError) or bool(of_the_file)


def _forbids_writing(path: str) -> bool:
    """Whether the file's header, by its 19th byte, forbids this version of SQLite to write to it.

    Nothing here writes such a header. SQLite reports the same error for a file without the right to write.
    """
    try:
        with open(path, "rb") as file:
            return file.read(19)[18:] > b"\2"
    except OSError:
        return False


def _log_unused(error: Exception) -> None:
    import logging

    logging.getLogger("hermpkg_build.store").info("the index is not used this time: %s", error)


def _quoted(path: str) -> str:
    """A path as part of a ``file:`` URI: https://www.sqlite.org/uri.html."""
    return re.sub(rb"[^A-Za-z0-9/._-]", lambda match: b"%%%02X" % match[0][0], os.fsencode(path)).decode()


def _row_number(key: bytes) -> int:
    """64 bits of a hash. Two keys that share them cost a miss, since the row holds its whole key."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little", signed=True)


def _pack(key: bytes, value: bytes) -> bytes:
    body = _prefix(key) + value
    return body + zlib.crc32(body).to_bytes(4, "little")


def _unpack(key: bytes, data: object) -> bytes | None:
    """The inverse of `_pack`; None where the row is not whole, or another key's."""
    prefix = _prefix(key)
    if not isinstance(data, bytes) or zlib.crc32(data) != _RESIDUE or not data.startswith(prefix):
        return None
    return data[len(prefix) : -4]


def _prefix(key: bytes) -> bytes:
    """The key so that no other key's row can start with it."""
    return len(key).to_bytes(2, "little") + key
