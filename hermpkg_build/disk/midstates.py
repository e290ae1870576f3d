"""SHA-256 that remembers how far it had come: files that begin alike need not be hashed from their start.

A *midstate* is all that SHA-256 knows of the first bytes of a file. `hashlib` neither gives nor takes one;
the library that it calls does. Where that cannot be reached, or gives other digests, there are none.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from hermpkg_build.core.digest import Bytes

if TYPE_CHECKING:
    import ctypes

Midstate = tuple[int, bytes]
"""So many bytes, a multiple of 64, and what SHA-256 knows of them, as this machine has it in memory."""

STRIDE: Final = 1 << 20
"""A midstate is remembered after each so many bytes."""

_REMEMBERED: Final = 64
"""The last ones: where more than 64 MiB behind the first change have to be written, little is gained."""

_KNOWN: Final = slice(0, 40)
"""Where the eight words and the count of bits are in what the library calls SHA256_CTX."""

_ROOM: Final = 512
"""Bytes for all of that, which has 112."""


WORTHWHILE: Final = 8 << 20
"""Fewer bytes are hashed while the library is looked for."""


class Sha256(Protocol):
    """What hashes bytes, piece by piece."""

    def update(self, data: Bytes, /) -> None:
        """Take more bytes."""

    def copy(self) -> Sha256:
        """Return another hash of the same bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far."""


class RememberingHash:
    """The SHA-256 of bytes, of those of a midstate and what follows or of all, with the last midstates."""

    __slots__ = ("_context", "_library", "_size", "midstates")

    def __init__(self, library: ctypes.CDLL, after: Midstate | None = None) -> None:
        import ctypes

        self._library = library
        self._context = ctypes.create_string_buffer(_ROOM)
        self._size = 0
        self.midstates: deque[Midstate] = deque(maxlen=_REMEMBERED)
        library.SHA256_Init(self._context)
        if after is not None:
            self._size, self._view()[_KNOWN] = after
            self.midstates.append(after)

    def update(self, data: Bytes, /) -> None:
        """Take more bytes; other threads go on meanwhile."""
        view = memoryview(data).cast("B")
        while view:
            count = min(STRIDE - self._size % STRIDE, len(view))
            self._take(view[:count])
            view = view[count:]
            if not self._size % STRIDE:
                self.midstates.append(self.midstate())

    def _take(self, view: memoryview) -> None:
        import ctypes

        first = bytes(view) if view.readonly else ctypes.byref(ctypes.c_char.from_buffer(view))
        self._library.SHA256_Update(self._context, first, ctypes.c_size_t(len(view)))
        self._size += len(view)

    def midstate(self) -> Midstate:
        """Return what is known after a multiple of 64 bytes."""
        assert not self._size % 64
        return self._size, bytes(self._view()[_KNOWN])

    def _view(self) -> memoryview:
        return memoryview(self._context).cast("B")

    def copy(self) -> RememberingHash:
        """Return another hash of the same bytes."""
        other = RememberingHash(self._library)
        other._size, other._context.raw = self._size, self._context.raw
        other.midstates.extend(self.midstates)
        return other

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far; more can be taken afterwards."""
        import ctypes

        digest = ctypes.create_string_buffer(32)
        self._library.SHA256_Final(digest, self.copy()._context)
        return digest.raw.hex()


def remembering_hash(after: Midstate | None = None) -> RememberingHash | None:
    """Return a hash of what follows on a midstate, by default of all; None where there can be none."""
    library = _library()
    return RememberingHash(library, after) if library is not None else None


def midstates_of(hash_: Sha256 | None) -> tuple[Midstate, ...]:
    """Return the midstates that a hash remembers, none where it remembers none."""
    return tuple(hash_.midstates) if isinstance(hash_, RememberingHash) else ()


def last_before(midstates: Iterable[Midstate], offset: int) -> Midstate | None:
    """Return the last midstate that is of no byte from `offset` on; None where there is none."""
    return max((each for each in midstates if each[0] <= offset), default=None)


@cache
def _library() -> ctypes.CDLL | None:
    """Return the library that `hashlib` calls, where it gives the digests that `hashlib` does."""
    try:
        import _hashlib
        import ctypes

        if _hashlib.get_fips_mode():
            return None  # There, such a library can end the process that calls what it has not approved.
        library = ctypes.CDLL(_hashlib.__file__)
        return library if _is_sound(library) else None
    except (ImportError, AttributeError, OSError, ValueError):
        return None


def _is_sound(library: ctypes.CDLL) -> bool:
    """Whether a hash that goes on from a midstate gives what `hashlib` gives of everything."""
    first, rest = bytes(range(128)), b"and more"
    begun = RememberingHash(library)
    begun.update(first)
    again = RememberingHash(library, begun.midstate())
    again.update(rest)
    return again.hexdigest() == hashlib.sha256(first + rest).hexdigest()
