"""Bytes in a file without a name, which nobody else can change, and which forks of this process share."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import final

from hermpkg_build.archive.archive_file import ArchiveBytes, ArchiveFile, private_mapping
from hermpkg_build.disk.files import write_all
from hermpkg_build.errors import LocalEnvironmentError

_BLOCK = 4 << 20


class ToShare(os.PathLike[str]):
    """The path of an artifact that several processes are to use, so that what is judged is in memory once."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


@final
class PrivateFile(ArchiveBytes):
    """An archive in the file `descriptor`, which has no name, and is closed with this.

    `name` is what messages call it.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name: str = name
        self._descriptor = descriptor
        size = os.fstat(descriptor).st_size
        # Linux before 6.7 lets nobody share what is sealed, not even to read it.
        self._view = memoryview(private_mapping(descriptor, size, writable=False) if size else b"")

    @property
    def view(self) -> memoryview:
        """All bytes, mapped; none once it is closed."""
        return self._view

    @property
    def can_be_mapped(self) -> bool:
        """Whether it is open."""
        return self._descriptor >= 0

    @property
    def is_released(self) -> bool:
        """False: it cannot be opened again, and stays open."""
        return False

    def read_at(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, fewer where the file ends."""
        return bytes(self._view[start : start + size])

    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill `buffer` with the bytes from `start` on, as far as there are any; return how many."""
        part = self._view[start : start + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def was_written_over(self) -> bool:
        """False: nobody can."""
        return False

    def private_mapping(self) -> memoryview:
        """Map it once more, writable: what is written stays in this process."""
        return memoryview(private_mapping(self._descriptor, 0, writable=True))

    def open_path(self) -> str:
        """Return "": there is none."""
        return ""

    def status(self) -> os.stat_result | None:
        """Return None: what it is a copy of may be another file by now."""
        return None

    def release(self) -> None:
        """Do nothing, as for memory."""

    def close(self) -> None:
        """Close the file, and forget the bytes. Views of them stay usable."""
        self._view = memoryview(b"")
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # Nobody else closes the descriptor; __init__ may have failed before it was set.
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()


def copy_to_share(path: str) -> tuple[PrivateFile, str]:
    """Copy the file at `path`, which is read once; return the copy, and its SHA-256 in hexadecimal.

    On Linux it is in memory that is sealed; elsewhere in a temporary file that was removed. Raises
    ArchiveError where there is no such file, LocalEnvironmentError where there is no room for the copy.
    """
    file = ArchiveFile(path)
    size = len(file.view)
    descriptor = _new_file()
    try:
        digest = _copied(file, descriptor, size)
        _seal(descriptor)
        return PrivateFile(descriptor, path), digest
    except OSError as error:
        os.close(descriptor)
        raise LocalEnvironmentError(
            "there is no room for a copy of the artifact, which a policy with a digest or a signer asks for",
            facts=[("file", path), ("bytes", str(size)), ("reason", error.strerror or str(error))],
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        file.close()


def _copied(file: ArchiveFile, descriptor: int, size: int) -> str:
    """Copy `size` bytes, or as many as there are by now; return the SHA-256 of what was copied."""
    if size:
        _make_room(descriptor, size)
    whole = hashlib.sha256()
    at = 0
    with ThreadPoolExecutor(1, "hermpkg-hash") as other:
        while at < size and (block := file.read_at(at, min(_BLOCK, size - at))):
            hashed = other.submit(whole.update, block)
            write_all(descriptor, block)
            hashed.result()
            at += len(block)
    os.ftruncate(descriptor, at)
    return whole.hexdigest()


def _new_file() -> int:
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        return os.memfd_create("hermpkg", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _make_room(descriptor: int, size: int) -> None:
    """Let what there is no room for be told now; what is written into memory later would end the process."""
    allocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        allocate(descriptor, 0, size)


def _seal(descriptor: int) -> None:
    """Let nobody write to it any more, this process included, where the system can see to that."""
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        import fcntl

        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
