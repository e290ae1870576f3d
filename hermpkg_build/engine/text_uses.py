"""Which targets hold the texts of which modules, so that an edit of comments need not be built.

A table of that is kept beside the snapshot of a build. `text_edits` relies on it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from hermpkg_build.disk.files import read_limited

Uses: TypeAlias = dict[str, dict[str, str]]
"""By label, the files that a target holds or lists, by absolute path, each with its name there."""

_MOST_USES = 200_000
"""A table of more would take longer to keep than it saves."""


def texts_path(path: str) -> str:
    """Return where the table lies that belongs to the snapshot at `path`."""
    return f"{path.removesuffix('.snapshot')}.texts"


class TextUses:
    """What targets of this build do with texts of modules; for any thread."""

    def __init__(self) -> None:
        self._packed: Uses = {}
        self._listed: Uses = {}
        self._count = 0
        self._searched: set[str] = set()
        self._read: set[str] = set()
        self._lock = threading.Lock()

    def note_packed(self, label: str, records: Iterable[tuple[str, str]]) -> None:
        """Note the files, by absolute path, that are records of the artifact `label`, by name."""
        found: dict[str, str] = {}
        for path, record in records:
            if found.setdefault(path, record) != record:
                self.note_read([path])
        self._note(self._packed, label, found)

    def note_listed(self, label: str, files: Mapping[str, str]) -> None:
        """Note the files, by absolute path, that make the digest of `label`, with their workspace paths."""
        self._note(self._listed, label, dict(files))

    def _note(self, uses: Uses, label: str, files: dict[str, str]) -> None:
        with self._lock:
            self._count += len(files)
            if self._count <= _MOST_USES:
                uses[label] = files
            else:  # There will be no table.
                self._packed.clear()
                self._listed.clear()

    def note_searched(self, paths: Iterable[str]) -> None:
        """Note files of which the code and the `quoted_names` decide what a target is, and nothing else."""
        with self._lock:
            self._searched.update(paths)

    def note_read(self, paths: Iterable[str]) -> None:
        """Note files of which any text may decide what a target is."""
        with self._lock:
            self._read.update(paths)

    def table(
        self,
        labels: Collection[str],
        *,
        by_text: Collection[str],
        known_files: Collection[str] = (),
        before: TextTable | None = None,
    ) -> TextTable | None:
        """Return the table for the targets `labels`, of which this build may have built a part.

        `by_text` are files whose every byte may count. Of the targets that were not built `before` tells,
        and `known_files` are all files that these were built from. None where the table would be too large,
        or is not known of the other targets.
        """
        with self._lock:
            if self._count > _MOST_USES:
                return None
            packed = {**(before.packed if before else {}), **self._packed}
            listed = {**(before.listed if before else {}), **self._listed}
            refused = {*by_text, *self._read}
            searched = {*(before.searched if before else ()), *self._searched}
        if before is not None:
            refused |= {*known_files} - before.packed_files()
        packed = {label: _without(files, refused) for label, files in packed.items() if label in labels}
        table = TextTable(
            packed, listed, searched & {path for files in packed.values() for path in files}
        ).of_targets(labels)
        is_small = sum(map(len, (*table.packed.values(), *table.listed.values()))) <= _MOST_USES
        return table if is_small else None


def load_table(path: str, sha256: str) -> TextTable | None:
    """Return the table of the snapshot at `path`; None where it is not that which was kept with it."""
    try:
        data = read_limited(texts_path(path)) if sha256 else b""
        return TextTable.of_bytes(data) if hashlib.sha256(data).hexdigest() == sha256 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _without(files: Mapping[str, str], refused: Collection[str]) -> dict[str, str]:
    return {path: name for path, name in files.items() if path not in refused}


class TextTable:
    """What targets do with texts of modules.

    `packed` are files that are records of artifacts, of which nothing else counts but their code, and the
    `quoted_names` of those that were `searched`. `listed` are all files whose digests make that of a target.
    """

    __slots__ = ("listed", "packed", "searched")

    def __init__(self, packed: Uses, listed: Uses, searched: Collection[str] = ()) -> None:
        self.packed: Uses = packed
        self.listed: Uses = listed
        self.searched: frozenset[str] = frozenset(searched)

    def packed_files(self) -> frozenset[str]:
        """Return all files that are records of artifacts."""
        return frozenset(path for files in self.packed.values() for path in files)

    def of_targets(self, labels: Collection[str]) -> TextTable:
        """Return the table with some targets only."""
        one, other = (
            {label: files for label, files in uses.items() if label in labels}
            for uses in (self.packed, self.listed)
        )
        return TextTable(one, other, self.searched)

    def to_bytes(self) -> bytes:
        """Return the table as bytes, which has each name once."""
        pairs: dict[tuple[str, str], int] = {}
        form = [
            {
                label: [pairs.setdefault(pair, len(pairs)) for pair in files.items()]
                for label, files in uses.items()
            }
            for uses in (self.packed, self.listed)
        ]
        return json.dumps([list(pairs), *form, sorted(self.searched)]).encode(errors="surrogateescape")

    @classmethod
    def of_bytes(cls, data: bytes) -> TextTable:
        """Return the table that `to_bytes` gave. Raises ValueError and what other values lead to."""
        pairs, packed, listed, searched = json.loads(data.decode(errors="surrogateescape"))
        one, other = (
            {label: dict(pairs[at] for at in numbers) for label, numbers in uses.items()}
            for uses in (packed, listed)
        )
        return cls(one, other, searched)
