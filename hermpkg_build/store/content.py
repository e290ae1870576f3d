"""The content store: bytes by their digest, each in a file that appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.files import remove_file, write_all
from hermpkg_build.disk.replacing import NewFile, new_folder
from hermpkg_build.disk.unchanged_files import changed_while_read, hash_file, read_chunks, read_file
from hermpkg_build.store.failures import cache_errors, log_corrupt
from hermpkg_build.store.places import put_in_place
from hermpkg_build.store.usage import Usage

SEALED_NS = 1_000_000_000 * 10**9
"""The mtime of a file whose bytes were checked: 9 September 2001, on a tick of any file system."""


class ContentStore:
    """Contents in ``<root>/cas/<first two digits>/<hash>``, safe for any number of processes at once.

    A file is written under ``<root>/tmp``, made read-only, put in its place, and given the sealed
    mtime. Whoever changes it later changes the mtime too, so that size and mtime are enough to hand
    out its path; bytes are hashed whenever they are handed out themselves. Its time of access says when it
    was used last. A wrong file loses its
    seal instead of its place: removing it could remove a right one that another process has just
    put there, while an unsealed one is read as absent and replaced by the next put. A disk changes bytes
    without changing times: who finds that calls `check`.

    Contents are also looked for in the stores whose roots are `read_only`; nothing is written there.
    Methods that write raise LocalEnvironmentError where the cache is full or not writable.
    """

    def __init__(self, root: str, *, read_only: Sequence[str] = (), usage: Usage | None = None) -> None:
        self.root = root
        self._usage = usage or Usage(root)
        self._roots = (root, *read_only)
        self._temporary = os.path.join(root, "tmp")
        self._distrusted: set[str] = set()

    def put_bytes(self, data: bytes) -> Digest:
        """Store `data`; its digest."""
        digest = Digest.of(data)
        if not self._is_sealed(digest):
            with cache_errors(self.root), self._new_file() as new:
                write_all(new.descriptor, data)
                self._publish(new, digest)
        return digest

    def put_file(self, path: str, digest: Digest, *, move: bool = False) -> None:
        """Store the bytes of a regular file, which have the given digest.

        With `move` the digest is trusted and the file is renamed into the store where it can be;
        the path is gone either way. Without, the file stays as it is, and is hashed while it is copied.
        Raises ActionError where the file has another digest, OSError where it cannot be read.
        """
        if not self._is_sealed(digest) and not (move and self._rename_in(path, digest)):
            self._copy_in(path, digest)
        if move:
            remove_file(path)

    def get_bytes(self, digest: Digest) -> bytes | None:
        """The bytes with this digest, hashed again to be sure; None where they are absent or corrupt."""
        for path in self._paths(digest):
            try:
                data, signature = read_file(path, digest.size)
            except OSError as error:
                if not isinstance(error, FileNotFoundError) and path not in self._distrusted:
                    self._unseal(path)
                    self._distrusted.add(path)
                continue
            if Digest.of(data) == digest:
                self._usage.note(path, mtime_ns=signature[1])
                return data
            self._unseal(path)
        return None

    def path_of(self, digest: Digest) -> str | None:
        """A read-only file with exactly these bytes; None where they are absent or corrupt."""
        return next((path for path in self._paths(digest) if self._holds(path, digest)), None)

    def check(self, digests: Iterable[Digest]) -> None:
        """Hash contents whose seals are not to be believed, as some bytes were found wrong.

        Those that are corrupt are absent from now on.
        """
        for digest in digests:
            for path in self._paths(digest):
                if _hash_of(path) not in (digest, None):
                    self._unseal(path)

    @contextmanager
    def staging(self) -> Iterator[str]:
        """A private folder on the file system of the store, removed with all it holds at the end."""
        with ExitStack() as stack:
            with cache_errors(self.root):
                os.makedirs(self._temporary, exist_ok=True)
                folder = stack.enter_context(new_folder(self._temporary))
            yield folder

    def _paths(self, digest: Digest) -> list[str]:
        return [f"{root}/cas/{digest.hash[:2]}/{digest.hash}" for root in self._roots]

    def _is_sealed(self, digest: Digest) -> bool:
        """Whether a checked file is there already, at the price of one stat."""
        return any(self._has_seal(path, digest) for path in self._paths(digest))

    def _has_seal(self, path: str, digest: Digest) -> bool:
        try:
            status = os.lstat(path)
        except OSError:
            return False
        if not stat.S_ISREG(status.st_mode) or not status.st_mode & stat.S_IRUSR or path in self._distrusted:
            return False
        is_sealed = status.st_size == digest.size and status.st_mtime_ns == SEALED_NS
        return is_sealed and self._usage.note(path, mtime_ns=SEALED_NS)

    def _holds(self, path: str, digest: Digest) -> bool:
        """Whether a file is there with these bytes, hashed only where its seal is broken."""
        if self._has_seal(path, digest):
            return True
        found = _hash_of(path)
        if found != digest:
            if found is not None:
                self._unseal(path)
            return False
        with suppress(OSError):
            os.chmod(path, 0o444)
        _seal(path)
        return True

    def _unseal(self, path: str) -> None:
        """Take back the seal of a file that turned out wrong, so that the next put replaces it."""
        log_corrupt("content", path)
        try:
            os.utime(path, ns=(0, 0))
        except OSError:
            self._distrusted.add(path)

    def _new_file(self) -> NewFile:
        os.makedirs(self._temporary, exist_ok=True)
        return NewFile(self._temporary)

    def _publish(self, new: NewFile, digest: Digest) -> None:
        os.fchmod(new.descriptor, 0o444)
        path = self._paths(digest)[0]
        put_in_place(path, self._temporary, lambda: self._replace(new, path))
        self._distrusted.discard(path)
        _seal(new.descriptor)
        self._usage.note_written(path, digest.size)

    def _replace(self, new: NewFile, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new.replace(path)

    def _rename_in(self, path: str, digest: Digest) -> bool:
        """Publish the file itself; False where it lies on another file system or could be changed by others.

        A file with a second name, or a symbolic link, could later be changed through the other path.
        """
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return False
        if status.st_size != digest.size:
            raise changed_while_read(path)
        stored = self._paths(digest)[0]

        def rename() -> None:
            os.makedirs(os.path.dirname(stored), exist_ok=True)
            os.replace(path, stored)

        try:
            os.chmod(path, 0o444)
            _seal(path)
            put_in_place(stored, self._temporary, rename)
        except OSError:
            return False
        self._usage.note_written(stored, digest.size)
        return True

    def _copy_in(self, path: str, digest: Digest) -> None:
        """Publish a copy of the file, if it has the digest that it should have."""
        hasher, size = hashlib.sha256(), 0
        with cache_errors(self.root):
            new = self._new_file()
        with new:
            for chunk in read_chunks(path):
                hasher.update(chunk)
                size += len(chunk)
                with cache_errors(self.root):
                    write_all(new.descriptor, chunk)
            if Digest(hasher.hexdigest(), size) != digest:
                raise changed_while_read(path)
            with cache_errors(self.root):
                self._publish(new, digest)


def _hash_of(path: str) -> Digest | None:
    try:
        return hash_file(path)[0]
    except OSError:
        return None


def _seal(file: str | int) -> None:
    """Vouch for the bytes of a path or an open file.

    A file system that keeps no such time costs a hash at each use, no more.
    """
    with suppress(OSError):
        os.utime(file, ns=(time.time_ns(), SEALED_NS))
