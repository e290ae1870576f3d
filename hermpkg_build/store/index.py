"""The index: digests of files by their stat signatures, and import facts by the digest of a source."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Collection, Iterable, Mapping

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.store.database import Database

_RECORD = struct.Struct("<qqqQQ32s")
"""One file of a folder: its signature and the SHA-256 of its bytes."""

_MOST_UNWRITTEN = 20_000
"""So many facts are written before the end, and no longer held in memory."""

_TIMES = range(-(2**63), 2**63)


class DigestIndex:
    """Digests of files whose signatures are the same as when they were read.

    A row holds all files of one folder, for a build that asks for one asks for its neighbours.
    A file is only worth recording under a settled signature (`signatures.is_settled`). New
    digests stay in memory until `pending` is written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folders: dict[str, dict[str, bytes]] = {}
        """The packed records of files by name: of very many, few are asked for."""
        self._changed: set[str] = set()
        self._lock = threading.RLock()

    def get(self, path: str, signature: FileSignature) -> Digest | None:
        """The digest recorded for the file at `path` under this very signature."""
        folder, _, name = path.rpartition("/")
        recorded = self._folder(folder).get(name)
        if recorded is None:
            return None
        *known, digest = _RECORD.unpack(recorded)
        return Digest(digest.hex(), signature[0]) if tuple(known) == signature else None

    def load(self, folders: Iterable[str]) -> None:
        """Read the rows of many folders at once, ahead of questions for their files."""
        with self._lock:
            keys = {_folder_key(folder): folder for folder in folders if folder not in self._folders}
            rows = self._database.get_many(keys)
            for key, folder in keys.items():
                self._folders[folder] = _decode(rows.get(key, b""))

    def record(self, path: str, signature: FileSignature, digest: Digest) -> None:
        """Remember the digest of a file, unless the signature cannot be a regular file's."""
        if signature[0] != digest.size or signature[1] not in _TIMES or signature[2] not in _TIMES:
            return
        folder, _, name = path.rpartition("/")
        value = _RECORD.pack(*signature, bytes.fromhex(digest.hash))
        with self._lock:
            files = self._folder(folder)
            if files.get(name) != value:
                files[name] = value
                self._changed.add(folder)

    def forget(self, path: str) -> None:
        """Remove the record of a file."""
        folder, _, name = path.rpartition("/")
        with self._lock:
            if self._folder(folder).pop(name, None) is not None:
                self._changed.add(folder)

    def pending(self) -> dict[bytes, bytes]:
        """The rows that are new since they were last asked for."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return {_folder_key(folder): _encode(self._folders[folder]) for folder in changed}

    def _folder(self, folder: str) -> dict[str, bytes]:
        if folder not in self._folders:
            self.load([folder])
        return self._folders[folder]


class FactsCache(Relayed):
    """Import facts, as bytes that only the analyser understands, by the digest of the source.

    `version` is that of the analyser which made them. New facts stay in memory until `pending`
    is written, or there are very many of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new: dict[bytes, bytes] = {}
        self._unwritten: set[bytes] = set()
        self._lock = threading.Lock()

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        """The facts of those sources for which this version has made some."""
        keys = {_facts_key(digest, version): digest for digest in digests}
        with self._lock:
            found = {key: self._new[key] for key in keys.keys() & self._new.keys()} if self._new else {}
        found.update(self._database.get_many(keys.keys() - found.keys() if found else keys))
        return {keys[key]: facts for key, facts in found.items()}

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        """Remember the facts of some sources."""
        self._keep({_facts_key(digest, version): data for digest, data in facts.items()})

    @relayed
    def _keep(self, rows: dict[bytes, bytes]) -> None:
        with self._lock:
            self._new.update(rows)
            self._unwritten.update(rows)
            is_full = len(self._unwritten) >= _MOST_UNWRITTEN and self._database.writable
        if is_full:
            written = self.pending()
            self._database.put_many(written)
            with self._lock:
                # Another thread may have written these too, or have them to be written again.
                for key in written.keys() - self._unwritten:
                    self._new.pop(key, None)

    def pending(self) -> dict[bytes, bytes]:
        """The rows that are new since they were last asked for."""
        with self._lock:
            unwritten, self._unwritten = self._unwritten, set()
            return {key: self._new[key] for key in unwritten}


_FOLDER = b"folder\0"


def folder_of(key: bytes) -> str | None:
    """Return the folder whose files a row is about, by its key; None for the facts of a source."""
    return os.fsdecode(key[len(_FOLDER) :]) if key.startswith(_FOLDER) else None


def _folder_key(folder: str) -> bytes:
    return _FOLDER + os.fsencode(folder)


def _facts_key(digest: Digest, version: str) -> bytes:
    return b"facts\0" + bytes.fromhex(digest.hash) + version.encode()


def _encode(files: Mapping[str, bytes]) -> bytes:
    names = os.fsencode("\0".join(files))
    return len(files).to_bytes(4, "little") + b"".join(files.values()) + names


def _decode(row: bytes) -> dict[str, bytes]:
    """The inverse of `_encode`; nothing for an empty row."""
    end = 4 + int.from_bytes(row[:4], "little") * _RECORD.size
    if end == 4 or len(row) < end:
        return {}
    records = [row[start : start + _RECORD.size] for start in range(4, end, _RECORD.size)]
    return dict(zip(os.fsdecode(row[end:]).split("\0"), records, strict=True))
