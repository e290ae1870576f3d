"""Tickets for messages that may be taken back: what is in a pipe that both sides read, one of them gets."""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from hermpkg_build.core.closing import Closing
from hermpkg_build.serving.progress import Progress

_TICKET = struct.Struct("<Q")


class Tickets(Closing):
    """The sender's side. A message with a ticket is read by its receiver only if it gets the ticket, too.

    The system gives what is in a pipe to one reader, so a message was either taken back or begun, never both.
    """

    def __init__(self) -> None:
        self.descriptor: int
        self.descriptor, self._write = os.pipe()
        """What the other side reads, and inherits in another process."""
        for end in (self.descriptor, self._write):
            os.set_blocking(end, False)

    def issue(self, message: int) -> None:
        """Make the ticket of a message, before that is sent."""
        os.write(self._write, _TICKET.pack(message))

    def take_back(self) -> set[int]:
        """Return the messages that nobody has begun, and that nobody will."""
        taken: set[int] = set()
        with suppress(BlockingIOError):
            while data := os.read(self.descriptor, _TICKET.size):
                taken.add(_TICKET.unpack(data)[0])
        return taken

    def close(self) -> None:
        """Close the pipe."""
        if self._write >= 0:
            os.close(self._write)
            os.close(self.descriptor)
            self._write = self.descriptor = -1


class TicketsInside:
    """The receiver's side, with the descriptor of the sender's.

    Of a message that `progress` tells was taken back, it does not look for the ticket: it could get that of a
    later one, which could not be taken back any more.
    """

    def __init__(self, descriptor: int, progress: Progress) -> None:
        self._descriptor = descriptor
        self._progress = progress
        self._got = 0

    def get(self, message: int) -> bool:
        """Say whether a message is to be read, as it was not taken back; messages come in their order."""
        if self._got < message and self._progress.was_taken_back(message):
            return False
        # Tickets are left of messages that could not be sent; a later one says that this was taken back.
        with suppress(BlockingIOError):
            while self._got < message and (data := os.read(self._descriptor, _TICKET.size)):
                (self._got,) = _TICKET.unpack(data)
        return self._got == message
