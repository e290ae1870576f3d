"""How far a worker is, in memory that outlives it, and which messages it need not look at."""

from __future__ import annotations

import mmap
import os
import struct

_STATE = struct.Struct("<QQ")
_TAKEN_BACK = struct.Struct("@Q")
"""In the form of the machine, which writes it at once."""


class Progress:
    """The message that a worker is at, counted from 1, and the call in it, counted from 0.

    The parent makes the memory, of which a worker gets the descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)

    def begin(self, message: int, call: int) -> None:
        """Note that a call begins."""
        _STATE.pack_into(self._memory, 0, message, call)

    def take_back(self, message: int) -> None:
        """Note that the messages up to `message` that were not begun were taken back."""
        _TAKEN_BACK.pack_into(self._memory, _STATE.size, message)

    def was_taken_back(self, message: int) -> bool:
        """Say whether a message that has not begun was taken back."""
        (last,) = _TAKEN_BACK.unpack_from(self._memory, _STATE.size)
        return message <= int(last)

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
