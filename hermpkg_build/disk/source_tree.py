"""The source tree: the one way the build side reads files, so that it knows all that it looked at."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.files import changed_while_read, hash_file, read_file
from hermpkg_build.disk.signatures import FileSignature, is_settled, signature_of

_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""What says that a path leads to no folder that can be read. Anything else is a fault to report."""


class KnownDigests(Protocol):
    """Digests of files from earlier reads, which hold for as long as the file's signature is the same."""

    def get(self, path: str, signature: FileSignature) -> Digest | None:
        """The digest of the file at `path` when it had this signature; None where that is not known."""
        ...

    def load(self, folders: Iterable[str]) -> None:
        """Get ready for questions about the files of many folders."""
        ...

    def record(self, path: str, signature: FileSignature, digest: Digest) -> None:
        """Remember the digest of a file."""
        ...

    def forget(self, path: str) -> None:
        """Take back what is recorded for a file."""
        ...


class SourceTree:
    """A view of the file system that stays the same for its lifetime, shared by any number of threads.

    `started_ns` is a time before anything is read, the present one where it is not given: what
    changed shortly before it, or after it, is not recorded (`signatures.is_settled`).

    Folders are listed once. A file is known by its first digest: a later read that gives other
    bytes raises ActionError, for a result made of both would belong to no state of the sources.
    Paths are absolute and taken as they are written.
    """

    def __init__(self, index: KnownDigests | None = None, *, started_ns: int | None = None) -> None:
        self._index = index
        self._started_ns = time.time_ns() if started_ns is None else started_ns
        self._listings: dict[str, Mapping[str, bool] | None] = {}
        self._digests: dict[str, Digest] = {}
        self._signatures: dict[str, FileSignature] = {}
        self._lock = threading.Lock()

    def entries(self, directory: str) -> Mapping[str, bool] | None:
        """What is in a folder, by name: True for a folder, False for a file; None for no readable folder.

        Symbolic links count as what they lead to. Left out are ``__pycache__``, which running
        Python changes, and what is neither file nor folder (broken links, pipes, sockets).
        """
        try:
            return self._listings[directory]
        except KeyError:
            listing, signature = _list(directory)
        with self._lock:
            if signature and directory not in self._listings:
                self._signatures[directory] = signature
            return self._listings.setdefault(directory, listing)

    def is_file(self, path: str) -> bool:
        """Whether there is a file, by the listing of its folder, so that one that appears is noticed."""
        folder, _, name = path.rpartition("/")
        entries = self.entries(folder or "/")
        return entries is not None and entries.get(name) is False

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises OSError; a file that is absent is observed to be absent."""
        try:
            data, signature = read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            self.entries(os.path.dirname(path))
            raise
        self._observe(path, Digest.of(data), signature)
        return data

    def digest(self, path: str) -> Digest:
        """The digest of a file's bytes, from the index where its signature is known. Raises as `read`."""
        return self._digests.get(path) or self._digest(path)

    def digests(self, paths: Sequence[str]) -> list[Digest]:
        """The digests of many files, in their order; faster than one by one. Raises as `read`."""
        if self._index is not None:
            self._index.load({path.rpartition("/")[0] for path in paths if path not in self._digests})
        return [self.digest(path) for path in paths]

    def observed_files(self) -> Mapping[str, Digest]:
        """The digest of every file that was read or digested, by path."""
        with self._lock:
            return dict(self._digests)

    def observed_directories(self) -> Mapping[str, Digest]:
        """The digest of every listing that was asked for; a folder that is absent has a digest too."""
        with self._lock:
            listings = dict(self._listings)
        return {directory: listing_digest(entries) for directory, entries in listings.items()}

    def observed_signatures(self) -> Mapping[str, FileSignature]:
        """The signatures, by path, that vouch for what was observed for as long as they are the same.

        A file or folder that changed too lately for its signature to tell, an absent folder, and a
        folder with symbolic links (what they lead to can change without it) are not here: to know
        whether such an observation still holds is to make it again.
        """
        with self._lock:
            return {
                path: signature
                for path, signature in self._signatures.items()
                if is_settled(signature, self._started_ns)
            }

    def _digest(self, path: str) -> Digest:
        try:
            if self._index is not None:
                signature = signature_of(os.stat(path))
                recorded = self._index.get(path, signature)
                if recorded is not None:
                    return self._keep(path, recorded, signature)
            digest, signature = hash_file(path)
        except (FileNotFoundError, NotADirectoryError):
            self.entries(os.path.dirname(path))
            raise
        return self._observe(path, digest, signature)

    def _observe(self, path: str, digest: Digest, signature: FileSignature) -> Digest:
        """Keep what was read now, and tell the index where that can be trusted later."""
        known = self._keep(path, digest, signature)
        if self._index is not None and is_settled(signature, self._started_ns):
            self._index.record(path, signature, digest)
        return known

    def _keep(self, path: str, digest: Digest, signature: FileSignature) -> Digest:
        with self._lock:
            known = self._digests.setdefault(path, digest)
            if known == digest:
                self._signatures.setdefault(path, signature)
        if known != digest:
            if self._index is not None:
                # It may be the index that was wrong: a clock set back, times made up by a tool.
                self._index.forget(path)
            raise changed_while_read(path)
        return known


def listing_digest(entries: Mapping[str, bool] | None) -> Digest:
    """The digest of a listing, over the names as the file system has them; None for no folder."""
    if entries is None:
        return Digest.of(b"no folder")
    lines = [os.fsencode(name) + (b"/\0" if is_folder else b"\0") for name, is_folder in entries.items()]
    return Digest.of(b"".join(lines))


def _list(directory: str) -> tuple[Mapping[str, bool] | None, FileSignature | None]:
    """A listing sorted by name, and the folder's signature where that vouches for the listing."""
    assert os.path.isabs(directory), directory
    found: dict[str, bool] = {}
    links = False
    try:
        signature = signature_of(os.stat(directory))
        with os.scandir(directory) as entries:
            for entry in entries:
                links = links or entry.is_symlink()
                kind = _is_folder(entry)
                if kind is not None and entry.name != "__pycache__":
                    found[entry.name] = kind
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return None, None
        raise
    return dict(sorted(found.items())), None if links else signature


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    """Whether an entry leads to a folder or to a file; None for neither."""
    try:
        if entry.is_dir():
            return True
        return False if entry.is_file() else None
    except OSError:
        return None
