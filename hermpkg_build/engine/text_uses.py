"""Which targets hold the texts of which modules, so that an edit of comments need not be built.

A table of that is kept beside the snapshot of a build. `text_edits` relies on it.
"""

from __future__ import annotations

import json
import threading
from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.engine.beside_snapshots import read_beside

if TYPE_CHECKING:
    from hermpkg_build.engine.observed_table import ObservedTable

_NUMBER: Final = "I"
"""Files are numbered by 32 bits."""

Uses: TypeAlias = "dict[str, array[int]]"
"""By label, the files that a target holds or lists, by their numbers in the snapshot of a table."""


TEXTS: Final = "texts"
"""What lies beside a snapshot and has the table."""


class TextUses(Relayed):
    """What targets of this build do with texts of modules; for any thread."""

    def __init__(self) -> None:
        self._records: dict[str, str] = {}
        self._packed: dict[str, Sequence[str]] = {}
        self._listed: dict[str, Sequence[str]] = {}
        self._searched: set[str] = set()
        self._read: set[str] = set()
        self._lock = threading.Lock()

    @relayed
    def note_packed(self, label: str, paths: Sequence[str], records: Sequence[str]) -> None:
        """Note the files, by absolute path, that are records of the artifact `label`, each by its name."""
        with self._lock:
            known = self._records.setdefault
            self._read.update(
                path for path, record in zip(paths, records, strict=True) if known(path, record) != record
            )
            self._packed[label] = paths

    @relayed
    def note_listed(self, label: str, paths: Sequence[str]) -> None:
        """Note the files, by absolute path, that make the digest of `label`."""
        with self._lock:
            self._listed[label] = paths

    @relayed
    def note_searched(self, paths: Collection[str]) -> None:
        """Note files of which the code and the `quoted_names` decide what a target is, and nothing else."""
        with self._lock:
            self._searched.update(paths)

    @relayed
    def note_read(self, paths: Collection[str]) -> None:
        """Note files of which any text may decide what a target is."""
        with self._lock:
            self._read.update(paths)

    def table(
        self,
        labels: Collection[str],
        files: ObservedTable,
        *,
        by_text: Collection[str],
        known: Collection[int] = (),
        before: TextTable | None = None,
    ) -> TextTable | None:
        """Return the table for the targets `labels`, of which this build may have built a part.

        `files` are those of the snapshot that it is for. `by_text` are files whose every byte may count. Of
        the targets that were not built `before` tells, and `known` are all files that these were built from.
        None where a file is not among `files`.
        """
        number = files.place
        with self._lock:
            try:
                packed = {label: array(_NUMBER, map(number, own)) for label, own in self._packed.items()}
                listed = {label: array(_NUMBER, map(number, own)) for label, own in self._listed.items()}
            except KeyError:
                return None
            records = {number(path): name for path, name in self._records.items() if path in files}
            refused = {number(path) for path in {*by_text, *self._read} if path in files}
            searched = {number(path) for path in self._searched if path in files}
        if before is not None:
            packed, listed = {**before.packed, **packed}, {**before.listed, **listed}
            refused.update(set(known) - before.records.keys())
            refused.update(at for at, name in before.records.items() if records.setdefault(at, name) != name)
            searched |= before.searched
        kept = TextTable(records, packed, listed, searched).of_targets(labels)
        return TextTable(
            {at: name for at, name in kept.records.items() if at not in refused},
            kept.packed,
            kept.listed,
            kept.searched,
        )


def load_table(path: str, sha256: str) -> TextTable | None:
    """Return the table of the snapshot at `path`; None where it is not that which was kept with it."""
    try:
        return TextTable.of_bytes(read_beside(path, TEXTS, sha256)) if sha256 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


class TextTable:
    """What targets do with texts of modules, by the numbers of their files in a snapshot.

    `records` are the names of files that are `packed` as records of artifacts, of which nothing else counts
    but their code, and the `quoted_names` of those that were `searched`. Other files may be `packed`, too.
    `listed` are all files whose digests make that of a target.
    """

    __slots__ = ("listed", "packed", "records", "searched")

    def __init__(
        self, records: Mapping[int, str], packed: Uses, listed: Uses, searched: Collection[int] = ()
    ) -> None:
        self.records: Mapping[int, str] = records
        self.packed: Uses = packed
        self.listed: Uses = listed
        self.searched: frozenset[int] = frozenset(searched)

    def of_targets(self, labels: Collection[str]) -> TextTable:
        """Return the table with some targets only."""
        packed, listed = (
            {label: files for label, files in uses.items() if label in labels}
            for uses in (self.packed, self.listed)
        )
        held = set[int]().union(*packed.values())
        records = {at: name for at, name in self.records.items() if at in held}
        return TextTable(records, packed, listed, self.searched & held)

    def renumbered(self, numbers: Mapping[int, int]) -> TextTable | None:
        """Return the table with other numbers of files; None where one that is listed has none."""
        packed, listed = (
            {
                label: array(_NUMBER, [numbers[at] for at in files if at in numbers])
                for label, files in uses.items()
            }
            for uses in (self.packed, self.listed)
        )
        if any(len(files) < len(self.listed[label]) for label, files in listed.items()):
            return None
        records = {numbers[at]: name for at, name in self.records.items() if at in numbers}
        return TextTable(records, packed, listed, {numbers[at] for at in self.searched if at in numbers})

    def to_bytes(self) -> bytes:
        """Return the table as bytes, for interpreters of the same kind: a line of JSON, then all numbers."""
        sizes = [{label: len(files) for label, files in uses.items()} for uses in (self.packed, self.listed)]
        line = json.dumps([*sizes, len(self.searched), [*self.records.values()]])
        columns = [*self.packed.values(), *self.listed.values()]
        columns += [array(_NUMBER, sorted(self.searched)), array(_NUMBER, self.records)]
        rows = b"".join(column.tobytes() for column in columns)
        return b"%b\n%b" % (line.encode(errors="surrogateescape"), rows)

    @classmethod
    def of_bytes(cls, data: bytes) -> TextTable:
        """Return the table that `to_bytes` gave. Raises ValueError and what other values lead to."""
        line, _, rest = data.partition(b"\n")
        packed, listed, searched, names = json.loads(line.decode(errors="surrogateescape"))
        numbers = array(_NUMBER)
        numbers.frombytes(rest)
        if len(numbers) != sum([*packed.values(), *listed.values(), searched, len(names)]):
            raise ValueError("another number of files than the targets have")
        start = 0

        def taken(count: int) -> array[int]:
            nonlocal start
            start += count
            return numbers[start - count : start]

        one, other = ({label: taken(count) for label, count in uses.items()} for uses in (packed, listed))
        searched = taken(searched)
        return cls(dict(zip(taken(len(names)), names, strict=True)), one, other, searched)
