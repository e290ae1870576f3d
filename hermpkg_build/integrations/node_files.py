"""Artifacts on the machine that uses them: each is there once, by its digest, for all of its processes.

A folder appears whole, under its final name; one process of a machine fetches, the others wait for it.
Whoever uses a folder holds a lock on it, and what was not used for longest goes first when there is too much.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from hermpkg_build.core.quantities import read_size
from hermpkg_build.core.texts import size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.disk.concurrent_hash import ConcurrentHash
from hermpkg_build.disk.files import write_all, write_file
from hermpkg_build.disk.replacing import ASIDE, hold_folder, new_folder, remove_abandoned
from hermpkg_build.disk.trust import check_private_folder
from hermpkg_build.errors import ArchiveError, HermpkgError, LocalEnvironmentError
from hermpkg_build.runtime.contents.pruning import prune_unpacked
from hermpkg_build.store.fetched import fetched_place

VARIABLE = "HERMPKG_FETCHED_LIMIT"
FETCHED_LIMIT = 100 * 10**9
"""Bytes of artifacts that are kept on a machine, unless `VARIABLE` says otherwise."""

PIECE = 16 << 20
"""Bytes that travel at a time."""

_ABANDONED_AFTER_S = 24 * 3600.0
_FILE_MODE = 0o444  # What others have mapped is not to be written over.
_held: dict[str, int] = {}
"""The folders that this process uses, each with the descriptor that has the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactIdentity:
    """One artifact, wherever it lies: the name of its file, its SHA-256 and size, and signatures beside it.

    Signatures are the names of their files, with the bytes.
    """

    name: str
    sha256: str
    size: int
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def folder(self) -> str:
        """The name of the folder for it: of equal bytes under another name there is another folder."""
        rest = hashlib.sha256(repr((self.name, self.size, self.signatures)).encode()).hexdigest()
        return f"{self.sha256}-{rest[:16]}"


def kept_file(artifact: ArtifactIdentity, fetch: Callable[[], Iterable[bytes]]) -> str:
    """Return the path of the artifact's file on this machine; `fetch` gives its bytes where it lacks them.

    What arrives is compared with the digest. The file stays as long as this process runs. Raises ArchiveError
    for other bytes, LocalEnvironmentError where they cannot be kept, and what `fetch` raises.
    """
    place = _place()
    folder = os.path.join(place, artifact.folder)
    path = os.path.join(folder, artifact.name)
    try:
        if _hold(folder, path, artifact):
            return path
        os.makedirs(place, mode=0o700, exist_ok=True)
        check_private_folder(place)
        with _alone(os.path.join(place, f"{ASIDE}{artifact.folder}.lock")):
            while not _hold(folder, path, artifact):
                _make(place, folder, artifact, fetch())
        with suppress(OSError):
            prune_unpacked(place, fetched_limit())
    except HermpkgError:
        raise
    except OSError as error:
        raise LocalEnvironmentError(
            "the artifact cannot be kept on this machine",
            facts=[("artifact", artifact.name), ("folder", place), ("reason", error.strerror or str(error))],
            next_step="name a folder with more space: HERMPKG_CACHE_DIR=...",
        ) from error
    return path


def release(artifact: ArtifactIdentity) -> None:
    """Hold the file no longer for this process."""
    descriptor = _held.pop(os.path.join(_place(), artifact.folder), None)
    if descriptor is not None:
        os.close(descriptor)


def fetched_limit() -> int:
    """Return how many bytes of artifacts are kept. Raises LocalEnvironmentError for another text."""
    text = os.environ.get(VARIABLE)
    if not text:
        return FETCHED_LIMIT
    try:
        return read_size(text)
    except ValueError as error:
        raise LocalEnvironmentError(
            f"{VARIABLE} needs {error}, not {text!r}",
            next_step=f"without it the limit is {size_text(FETCHED_LIMIT)}",
        ) from None


def pieces_of(path: str) -> Iterator[bytes]:
    """Give the bytes of a file, in pieces that can travel. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def _place() -> str:
    return fetched_place(default_cache_directory(os.environ))


def _hold(folder: str, path: str, artifact: ArtifactIdentity) -> bool:
    """Whether the artifact is there; from then on it stays for this process."""
    if folder not in _held:
        descriptor = hold_folder(folder)
        if descriptor is None:
            return False
        _held[folder] = descriptor
    with suppress(OSError):
        os.utime(folder)
    try:
        if os.stat(path).st_size == artifact.size:
            return True
    except FileNotFoundError:
        pass
    # Somebody took parts of it away, or wrote into it.
    os.close(_held.pop(folder))
    _discard(folder)
    return False


def _make(place: str, folder: str, artifact: ArtifactIdentity, pieces: Iterable[bytes]) -> None:
    remove_abandoned(place, age_s=_ABANDONED_AFTER_S, prefix=ASIDE)
    with new_folder(place) as aside:
        _write(os.path.join(aside, artifact.name), artifact, pieces)
        for name, data in artifact.signatures:
            write_file(os.path.join(aside, name), data, mode=_FILE_MODE)
        try:
            os.rename(aside, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise


def _write(path: str, artifact: ArtifactIdentity, pieces: Iterable[bytes]) -> None:
    """Write the bytes to a new file. Raises ArchiveError where they are not those of the artifact."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    try:
        with ConcurrentHash(descriptor) as hashed:
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > artifact.size:
                    break
                write_all(descriptor, piece)
                hashed.advance(len(piece))
            found = hashed.result()
        os.fsync(descriptor)  # Bytes that a power failure loses would be found by nobody.
    finally:
        os.close(descriptor)
    if size != artifact.size or found.hash != artifact.sha256:
        raise ArchiveError(
            "what arrived is not the artifact",
            facts=[
                ("artifact", artifact.name),
                ("expected", f"{artifact.sha256}, {artifact.size:,} bytes"),
                ("arrived", f"{found.hash}, {size:,} bytes"),
            ],
            next_step="deploy the file again",
        )


@contextmanager
def _alone(lock: str) -> Iterator[None]:
    """A context that one process of this machine is in at a time; the lock of one that is killed is free."""
    import fcntl

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # A file system without locks: each fetches for itself, and one is kept.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _discard(folder: str) -> None:
    """Take a folder away that is not what it should be, whoever has it open."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
