"""Brings artifacts up to date after edits that change no code, without a build.

Where only comments, blank lines and the like have changed, of modules whose texts nothing needs but artifacts
(`text_uses`), an artifact differs in their records and in its manifest. All else is copied from the one that
is there. What is copied is what the last build made, or a build is due: the file's signature vouches for its
first bytes, as where nothing has changed, and its digest for the rest, or for all. Builds begin with this, so
that it imports little.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.disk.signatures import is_settled
from hermpkg_build.disk.unchanged_files import read_file
from hermpkg_build.engine.early_workers import fork_for_build
from hermpkg_build.engine.noted_texts import keep_texts
from hermpkg_build.engine.snapshot_check import root_of
from hermpkg_build.engine.text_uses import load_table
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.archive.replaced_records import PresentArchive
    from hermpkg_build.engine.observed_table import ObservedTable
    from hermpkg_build.engine.snapshot_check import StoredSnapshot
    from hermpkg_build.engine.text_uses import Uses

    Row = list[Any]

_LONGEST_SOURCE = 4 << 20


def renewed(path: str, stored: StoredSnapshot, changed: Sequence[str]) -> list[str] | None:
    """Bring the artifacts of a snapshot, `stored` at `path`, up to date; return the labels of those renewed.

    `changed` are the files that their signatures no longer vouch for. The snapshot is then that of a build
    of the present sources. None where that takes a build: nothing has been done then but what a build would
    do too. Raises OSError, and what values of other types than those of snapshots lead to.
    """
    try:
        found = _renewed(path, stored, changed)
    except HermpkgError:
        found = None  # A build tells what is wrong.
    if found is None and all(name.endswith(".py") for name in changed):
        fork_for_build(path, stored.values["made"], changed)
    return found


def _renewed(path: str, stored: StoredSnapshot, changed: Sequence[str]) -> list[str] | None:
    started_ns = time.time_ns()
    files = stored.files
    if stored.values["warnings"] or not all(name in files and os.path.isabs(name) for name in changed):
        return None
    texts: dict[str, bytes] = {}
    before: dict[str, str] = {}
    for name in changed:
        data, signature = read_file(name, _LONGEST_SOURCE)
        before[name], now = files[name][0], hashlib.sha256(data).hexdigest()
        if now != before[name]:
            texts[name] = data
        files[name] = now, signature if is_settled(signature, started_ns) else None
    labels: list[str] = []
    if texts:
        table = load_table(path, stored.values["texts"])
        numbers = {files.place(name): name for name in texts}
        if table is None or not numbers.keys() <= table.records.keys():
            return None
        held = _held_among(numbers, table.packed)
        labels = [*held]
        rows = {str(row[0]): row for row in stored.values["targets"]}
        searched = {name for number, name in numbers.items() if number in table.searched}
        edits = _Edits(texts, before, searched)
        for label, own in held.items():
            records = {numbers[number]: table.records[number] for number in own}
            if not _renew(stored, edits, root_of(path), rows[label], records):
                return None
            keep_texts(root_of(path), label, {file: (before[file], files[file][0]) for file in records})
        for label in _held_among(numbers, table.listed):
            rows[label][2:4] = _digest_of_files(files, table.listed[label], root_of(path))
    replace_file(path, stored.to_bytes())
    return labels


def _held_among(files: Collection[int], uses: Uses) -> dict[str, set[int]]:
    """Return those of `files` that each target holds, where it holds any."""
    wanted = set(files)
    return {label: found for label, held in uses.items() if (found := wanted.intersection(held))}


def _digest_of_files(files: ObservedTable, listed: Iterable[int], root: str) -> tuple[str, int]:
    """Return the digest of a target that lists modules, as a build gives it, and the size of all of them."""
    digests = {}
    for path in map(files.paths.__getitem__, listed):
        hash_, signature = files[path]
        shown = path.removeprefix(os.path.join(root, ""))
        digests[shown] = Digest(hash_, signature[0] if signature else os.stat(path).st_size)
    found = fingerprint({shown: str(digest) for shown, digest in digests.items()})
    return found.hash, sum(digest.size for digest in digests.values())


class _Edits:
    """The new `texts` of modules, and the digests that they had `before`, by absolute path.

    Of those that were `searched` the `quoted_names` count, too.
    """

    def __init__(
        self, texts: Mapping[str, bytes], before: Mapping[str, str], searched: Collection[str]
    ) -> None:
        self._texts = texts
        self._before = before
        self._searched = searched
        self._same: dict[str, bool] = {}

    def contents(self, archive: PresentArchive, held: Mapping[str, str]) -> dict[str, bytes] | None:
        """Return the new contents of those records of an artifact that are edited, and of its manifest.

        The edited files that it holds are `held`, with the names of their records.

        None where more than the text has changed.
        """
        from hermpkg_build.archive.layout import MANIFEST

        manifest = archive.read(MANIFEST)
        new: dict[str, bytes] = {}
        for path, record in held.items():
            text = self._texts[path]
            old = archive.read(record)
            entry = _entry(record, old)
            if not self._is_edit_of_text(path, old) or manifest.count(entry) != 1:
                return None
            manifest = manifest.replace(entry, _entry(record, text))
            new[record] = text
        old_checksums, checksums = archive.checksums_with({}), archive.checksums_with(new)
        if manifest.count(old_checksums.encode()) != 1:
            return None
        return {**new, MANIFEST: manifest.replace(old_checksums.encode(), checksums.encode())}

    def _is_edit_of_text(self, path: str, old: bytes) -> bool:
        """Whether the bytes `old` are those that the file had, and its code is what it was."""
        from hermpkg_build.source.code_identity import have_same_code
        from hermpkg_build.source.quoted_names import quoted_names

        if hashlib.sha256(old).hexdigest() != self._before[path]:
            return False
        if path not in self._same:
            new = self._texts[path]
            self._same[path] = have_same_code(old, new) and (
                path not in self._searched or quoted_names(old) == quoted_names(new)
            )
        return self._same[path]


def _entry(record: str, data: bytes) -> bytes:
    """Return the entry of a packed module in a manifest, as `manifest_bytes.entry_bytes` has it."""
    return dumps({record: {"digest": str(Digest.of(data)), "kind": "module"}})[1:-1]


def _renew(stored: StoredSnapshot, edits: _Edits, root: str, row: Row, held: Mapping[str, str]) -> bool:
    """Renew the artifact of a row of the snapshot's targets, which has the files `held` as these records.

    False where that takes a build.
    """
    from hermpkg_build.archive.replaced_records import replace_records
    from hermpkg_build.engine.noted_beginnings import keep_beginning, known_file, spare_path

    label, path = row[0], os.path.join(root, row[1])
    sha256, signature = stored.outputs[path]
    if signature is None:
        return False
    done = replace_records(
        path,
        known=known_file(root, label, sha256, signature),
        contents=lambda old: edits.contents(old, held),
        spare=spare_path(root, label),
    )
    if done is None:
        return False
    keep_beginning(root, label, done)
    row[2:4] = done.sha256, done.size
    stored.outputs[path] = done.sha256, done.signature
    return True
