"""The source tree: the one way the build side reads files, so that it knows all that it looked at."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from stat import S_ISDIR, S_ISREG
from typing import Any, NamedTuple, Protocol, TypeVar

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.listings import list_folder, listing_bytes
from hermpkg_build.disk.signatures import FileSignature, is_settled, signature_of
from hermpkg_build.disk.unchanged_files import changed_while_read, hash_file, read_file

_V = TypeVar("_V")

_NOTHING: Mapping[str, bool] = {}
_NO_FOLDER = Digest.of(listing_bytes(None))


class RecordedDigests(Protocol):
    """Digests of files from earlier reads, each valid as long as the file has the signature it had then."""

    def get(self, path: str, signature: FileSignature) -> Digest | None:
        """The digest of the file at `path` under this signature; None where none is recorded."""
        ...

    def load(self, folders: Iterable[str]) -> None:
        """Prepare for `get` of files in many folders."""
        ...

    def record(self, path: str, signature: FileSignature, digest: Digest) -> None:
        """Remember the digest of a file."""
        ...

    def forget(self, path: str) -> None:
        """Remove the record of a file."""
        ...


class Seen(NamedTuple):
    """What a tree has seen, all or since some time: plain values, which another process can be sent."""

    digests: list[tuple[str, str, int]]
    signatures: list[tuple[str, FileSignature]]
    listings: list[tuple[str, dict[str, bool] | None]]
    shared: list[str]
    coded: list[str]


class SourceTree:
    """A view of the file system that stays the same for its lifetime, shared by any number of threads.

    `started_ns` is a time before anything is read, the present one where it is not given: files that
    changed shortly before it, or after it, are not recorded (`signatures.is_settled`).

    Folders are listed once. The first digest of a file stands: a later read that gives other bytes
    raises ActionError, for a result made of both would belong to no state of the sources.
    Paths are absolute and taken as they are written. `given` are files that are seen with other bytes than
    they have, or though there are none, in folders that there are.
    """

    def __init__(
        self,
        index: RecordedDigests | None = None,
        *,
        started_ns: int | None = None,
        given: Mapping[str, bytes] | None = None,
    ) -> None:
        self._index = index
        self._given = dict(given or {})
        self.started_ns: int = time.time_ns() if started_ns is None else started_ns
        self._listings: dict[str, Mapping[str, bool] | None] = {}
        self._listing_digests: dict[str, Digest] = {}
        self._digests: dict[str, Digest] = {}
        self._shared: dict[str, None] = {}
        self._coded: dict[str, None] = {}
        self._signatures: dict[str, FileSignature] = {}
        self._lock = threading.Lock()

    def entries(self, directory: str) -> Mapping[str, bool] | None:
        """The entries of a folder by name: True for a folder, False for a file. None where it cannot be read.

        Symbolic links count as their targets. Left out are ``__pycache__``, which running Python changes,
        and entries that are neither file nor folder (broken links, pipes, sockets).
        """
        try:
            return self._listings[directory]
        except KeyError:
            listing, signature = list_folder(directory)
        if self._given and listing is not None:
            new = {
                os.path.basename(path): False for path in self._given if os.path.dirname(path) == directory
            }
            if new.keys() - listing.keys():
                listing, signature = dict(sorted({**new, **listing}.items())), None
        with self._lock:
            if signature and directory not in self._listings:
                self._signatures[directory] = signature
            return self._listings.setdefault(directory, listing)

    def listing_digest(self, directory: str) -> Digest:
        """The digest of `entries`."""
        known = self._listing_digests.get(directory)
        if known is None:
            known = self._listing_digests[directory] = listing_digest(self.entries(directory))
        return known

    def is_file(self, path: str) -> bool:
        """Whether there is a file, by the listing of its folder, so that one that appears is noticed."""
        return self._entry(path) is False

    def has_path(self, path: str) -> bool:
        """Whether there is a file or a folder, as `is_file` finds it."""
        return self._entry(path) is not None

    def _entry(self, path: str) -> bool | None:
        folder, _, name = path.rpartition("/")
        return (self.entries(folder or "/") or _NOTHING).get(name)

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises OSError; a file that is absent is observed to be absent."""
        self._shared[path] = None
        return self.read_for_targets(path)

    def read_for_targets(self, path: str) -> bytes:
        """As `read`, for targets that are known to rest on the file: see `shared_files`."""
        if path in self._given:
            self._digests[path] = Digest.of(self._given[path])
            return self._given[path]
        try:
            data, signature = read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            self.entries(os.path.dirname(path))
            raise
        self._observe(path, Digest.of(data), signature)
        return data

    def digest(self, path: str) -> Digest:
        """The digest of a file's bytes, from the index where that has its signature. Raises as `read`."""
        self._shared[path] = None
        return self.digest_for_targets(path)

    def digest_for_targets(self, path: str) -> Digest:
        """As `digest`, for targets that are known to rest on the file: see `shared_files`."""
        return self._digests.get(path) or self._digest(path)

    def digests_and_bytes(self, paths: Sequence[str]) -> list[tuple[Digest, bytes | None]]:
        """As `digests_for_targets`, with the bytes of those files that had to be read."""
        self._load_index(paths)
        found: list[tuple[Digest, bytes | None]] = []
        for path in paths:
            known = self._digests.get(path) or self._recorded(path)
            data = self.read_for_targets(path) if known is None else None
            found.append((known or self._digests[path], data))
        return found

    def digests(self, paths: Sequence[str]) -> list[Digest]:
        """The digests of many files, in their order; faster than one by one. Raises as `read`."""
        self._shared.update(dict.fromkeys(paths))
        return self.digests_for_targets(paths)

    def digests_for_targets(self, paths: Sequence[str]) -> list[Digest]:
        """As `digests`, for targets that are known to rest on the files: see `shared_files`."""
        self._load_index(paths)
        return [self.digest_for_targets(path) for path in paths]

    def _load_index(self, paths: Sequence[str]) -> None:
        if self._index is not None:
            self._index.load({path.rpartition("/")[0] for path in paths if path not in self._digests})

    def read_for_code(self, path: str) -> bytes:
        """As `read`, of a module of which only the code counts: see `files_by_text`."""
        self._coded[path] = None
        return self.read_for_targets(path)

    def digest_for_code(self, path: str) -> Digest:
        """As `digest`, of a module of which only the code counts: see `files_by_text`."""
        self._coded[path] = None
        return self.digest_for_targets(path)

    def shared_files(self) -> frozenset[str]:
        """The files of which it is not known which targets rest on what is in them."""
        return frozenset([*self._shared, *self._coded])

    def files_by_text(self) -> frozenset[str]:
        """Those of `shared_files` whose every byte may count, not only the code that they are."""
        return frozenset(self._shared)

    def observed_files(self) -> Mapping[str, Digest]:
        """The digest of every file that was read or digested, by path."""
        with self._lock:
            return dict(self._digests)

    def changed_among(self, paths: Iterable[str]) -> str:
        """Return one of some files that is not the one any more which was read or digested; "" for none."""
        return next((path for path in paths if self.has_observed(path) and not self.is_as_seen(path)), "")

    def has_observed(self, path: str) -> bool:
        """Whether a file was read or digested."""
        return path in self._digests

    def observed_directories(self) -> Mapping[str, Digest]:
        """The digest of every listing that was asked for; a folder that is absent has a digest too."""
        with self._lock:
            directories = list(self._listings)
        return {directory: self.listing_digest(directory) for directory in directories}

    def is_as_seen(self, path: str, status: os.stat_result | None = None) -> bool:
        """Whether a file or a folder that was looked at is, now, as it was then; `status` is that of now."""
        try:
            status = status or os.stat(path)
        except (OSError, ValueError):
            status = None
        with self._lock:
            signature = self._signatures.get(path)
        if status is not None and signature is not None and signature == signature_of(status):
            return True
        if path in self._listings:
            return listing_digest(list_folder(path)[0]) == self.listing_digest(path)
        if path in self._digests:
            return path in self._given
        kind = None
        if status is not None and (S_ISDIR(status.st_mode) or S_ISREG(status.st_mode)):
            kind = S_ISDIR(status.st_mode)
        return kind is self._entry(path)

    def follows_from_others(self, directory: str) -> bool:
        """Whether an observed folder is absent, as the listing of the one that it would be in says."""
        while self._listings.get(directory, _NOTHING) is None:
            parent, _, name = directory.rpartition("/")
            directory = parent or "/"
            listing = self._listings.get(directory)
            if listing is not None:
                return name not in listing and name != "__pycache__"
        return False

    def observed_signatures(self) -> Mapping[str, FileSignature]:
        """The signatures, by path, of files and folders: as long as one is the same, so is the observation.

        Left out are those that changed too lately for a signature to tell, absent folders, and folders
        with symbolic links, whose targets can change without the folder: these must be observed again.
        """
        with self._lock:
            return {
                path: signature
                for path, signature in self._signatures.items()
                if is_settled(signature, self.started_ns)
            }

    def seen(self, since: Sequence[int] = (0, 0, 0, 0, 0)) -> tuple[Seen, Sequence[int]]:
        """Return what was seen since an earlier call, which gave the numbers `since`; and those of now."""
        with self._lock:
            known: list[Mapping[str, Any]]
            known = [self._digests, self._signatures, self._listings, self._shared, self._coded]
            digests, signatures, listings, shared, coded = map(_behind, known, since)
            seen = Seen(
                [(path, digest.hash, digest.size) for path, digest in digests],
                [*signatures],
                [(folder, None if entries is None else dict(entries)) for folder, entries in listings],
                [path for path, _ in shared],
                [path for path, _ in coded],
            )
            return seen, [*map(len, known)]

    def take(self, seen: Seen) -> bool:
        """Have seen what the tree of another process has seen.

        False, and nothing of it, where anything was seen otherwise here: it has changed meanwhile.
        """
        digests = {path: Digest(hash_, size) for path, hash_, size in seen.digests}
        with self._lock:
            if any(self._digests.get(path, digest) != digest for path, digest in digests.items()):
                return False
            if any(self._listings.get(folder, entries) != entries for folder, entries in seen.listings):
                return False
            new = [entry for entry in seen.signatures if entry[0] not in self._signatures]
            _add(self._digests, digests)
            _add(self._listings, dict(seen.listings))
            self._signatures.update(new)
            self._shared.update(dict.fromkeys(seen.shared))
            self._coded.update(dict.fromkeys(seen.coded))
        if self._index is not None:
            self._index.load({path.rpartition("/")[0] for path, _ in new if path in digests})
            for path, signature in new:
                if path in digests and is_settled(signature, self.started_ns):
                    self._index.record(path, signature, digests[path])
        return True

    def _digest(self, path: str) -> Digest:
        if path in self._given:
            return self._digests.setdefault(path, Digest.of(self._given[path]))
        try:
            recorded = self._recorded(path)
            if recorded is not None:
                return recorded
            digest, signature = hash_file(path)
        except (FileNotFoundError, NotADirectoryError):
            self.entries(os.path.dirname(path))
            raise
        return self._observe(path, digest, signature)

    def _recorded(self, path: str) -> Digest | None:
        """The digest that the index has of a file as it is now, if any."""
        if self._index is None or path in self._given:
            return None
        try:
            signature = signature_of(os.stat(path))
        except OSError:
            return None  # Who reads it is told.
        recorded = self._index.get(path, signature)
        return self._remember(path, recorded, signature) if recorded is not None else None

    def _observe(self, path: str, digest: Digest, signature: FileSignature) -> Digest:
        """Remember what was read now, also in the index where the signature can be trusted later."""
        first = self._remember(path, digest, signature)
        if self._index is not None and is_settled(signature, self.started_ns):
            self._index.record(path, signature, digest)
        return first

    def _remember(self, path: str, digest: Digest, signature: FileSignature) -> Digest:
        with self._lock:
            first = self._digests.setdefault(path, digest)
            if first == digest:
                self._signatures.setdefault(path, signature)
        if first != digest:
            if self._index is not None:
                # It may be the index that was wrong: a clock set back, times made up by a tool.
                self._index.forget(path)
            raise changed_while_read(path)
        return first


def _add(known: dict[str, _V], more: Mapping[str, _V]) -> None:
    """Add to what is known what is not."""
    known.update((key, value) for key, value in more.items() if key not in known)


def _behind(known: Mapping[str, Any], count: int) -> Iterator[tuple[str, Any]]:
    """Give the entries of a mapping that grows, without the first ones."""
    return islice(known.items(), count, None)


def listing_digest(entries: Mapping[str, bool] | None) -> Digest:
    """The digest of a listing, over the names as the file system has them; one for an absent folder, too."""
    return _NO_FOLDER if entries is None else Digest.of(listing_bytes(entries))
