"""How far a worker is, in memory that outlives it: whether a call had begun when its worker died."""

from __future__ import annotations

import mmap
import os
import struct

_STATE = struct.Struct("<QQ")


class Progress:
    """The message that a worker is at, counted from 1, and the call in it, counted from 0.

    The parent makes the memory, of which a worker gets the descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)

    def begin(self, message: int, call: int) -> None:
        """Note that a call begins."""
        _STATE.pack_into(self._memory, 0, message, call)

    def has_begun(self, message: int, call: int) -> bool:
        """Say whether a call of a message has begun."""
        at: tuple[int, int] = _STATE.unpack_from(self._memory, 0)
        return at >= (message, call)


def progress_of(descriptor: int) -> Progress:
    """Map the memory of a descriptor, which is closed."""
    try:
        return Progress(descriptor)
    finally:
        os.close(descriptor)
