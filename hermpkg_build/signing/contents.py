"""What is signed: one file, or all files of a folder, read from what is open rather than by name again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.descriptors import read_at
from hermpkg_build.signing.failures import SignatureError, missing_extra

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Bytes

WHOLE = "."
"""The name that model signing gives a single file."""

_PIECE = 1 << 20


class Content(Protocol):
    """Files by name, each read from the same bytes whenever it is asked for."""

    @property
    def name(self) -> str:
        """The name of the whole, for people: it decides nothing."""
        ...

    def files(self) -> Sequence[str]:
        """The names of all files, `WHOLE` where there is only one without a folder."""
        ...

    def size(self, file: str) -> int:
        """How many bytes a file has."""
        ...

    def hash(self, file: str, method: str, start: int, end: int) -> str:
        """The hash of a part of a file, in hexadecimal, by ``sha256``, ``blake2b`` or ``blake3``."""
        ...


class FileContent(Closing):
    """One file. `read_at(offset, size)` gives its bytes; `sha256` may be told where it is known already."""

    def __init__(
        self,
        name: str,
        size: int,
        read_at: Callable[[int, int], Bytes],
        *,
        sha256: str = "",
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._size = size
        self._read_at = read_at
        self._hashes = {("sha256", 0, size): sha256} if sha256 else {}
        self._close = close

    @classmethod
    def of_bytes(cls, name: str, data: Bytes) -> FileContent:
        """The content of a file whose bytes are in memory, or mapped."""
        view = memoryview(data)
        return cls(name, view.nbytes, lambda offset, size: view[offset : offset + size])

    @classmethod
    def of_descriptor(cls, name: str, descriptor: int) -> FileContent:
        """The content of an open file, which the caller closes; its position is not used. Raises OSError."""
        size = os.fstat(descriptor).st_size
        return cls(name, size, lambda offset, count: read_at(descriptor, count, offset))

    def close(self) -> None:
        """Close the file, where this opened it."""
        self._close()

    def files(self) -> Sequence[str]:
        """See `Content`."""
        return [WHOLE]

    def size(self, file: str) -> int:  # noqa: ARG002 - there is one
        """See `Content`."""
        return self._size

    def hash(self, file: str, method: str, start: int, end: int) -> str:  # noqa: ARG002
        """See `Content`. Raises OSError where the file became shorter."""
        known = self._hashes.get((method, start, end))
        if known is None:
            known = self._hashes[method, start, end] = _hash(self._read_at, method, start, end)
        return known


class RecordsContent(Closing):
    """Files that were read from a folder before, by their names; `read` gives their bytes."""

    def __init__(self, name: str, files: Iterable[str], read: Callable[[str], Bytes]) -> None:
        self.name = name
        self._files = in_order(files)
        self._read = read

    def close(self) -> None:
        """Do nothing: no file is open."""

    def files(self) -> Sequence[str]:
        """See `Content`."""
        return self._files

    def size(self, file: str) -> int:
        """See `Content`."""
        return memoryview(self._read(file)).nbytes

    def hash(self, file: str, method: str, start: int, end: int) -> str:
        """See `Content`."""
        return FileContent.of_bytes(file, self._read(file)).hash(WHOLE, method, start, end)


def in_order(files: Iterable[str]) -> list[str]:
    """Sort the names of files as the specification does."""
    return sorted(files, key=lambda name: PurePosixPath(name).parts)


def _hash(read_at: Callable[[int, int], Bytes], method: str, start: int, end: int) -> str:
    hasher = _hasher(method)
    while start < end:
        piece = read_at(start, min(_PIECE, end - start))
        if not piece:
            raise OSError("the file became shorter while it was read")
        hasher.update(piece)
        start += len(piece)
    return str(hasher.hexdigest())


def _hasher(method: str) -> Any:
    if method == "sha256":
        return hashlib.sha256()
    if method == "blake2b":
        return hashlib.blake2b()
    if method == "blake3":
        try:
            import blake3
        except ImportError as error:
            raise missing_extra(error) from None
        return blake3.blake3()
    raise SignatureError(
        "the signature names a hash that is unknown here", fault="malformed", facts=[("hash", repr(method))]
    )
