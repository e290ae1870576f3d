"""Messages between two processes: small ones through a Unix socket, large ones through shared memory.

The memory has no name in the file system, so nothing is left of it when both processes have ended, however
they did. Each side writes into memory of its own, and uses it again for its next large message: so a message
must be read, and what it holds copied, before the next one is received.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, final

from hermpkg_build.core.closing import Closing

Part = bytes | bytearray | memoryview
"""Bytes in memory, contiguous and of one dimension."""

_HEAD = struct.Struct("<B3xIQ")
"""How the parts come, their number, and the bytes of all of them with what lies between."""
_INLINE, _SHARED, _SHARED_ANEW = range(3)
_FORGET = 4
"""Added to how a message comes: the memory that came with an earlier one is not used any more."""

_LARGEST_INLINE = 64 << 10
_ALIGNMENT = 64
_KEPT = 64 << 20
"""Memory of up to so many bytes is kept however small the next messages are."""
_PAGE = mmap.PAGESIZE
MOST_DESCRIPTORS = 8
"""The most descriptors that come with one message."""


class Message(NamedTuple):
    """What was received: parts that the next message overwrites, and descriptors that are the receiver's."""

    parts: list[memoryview]
    descriptors: list[int]


class EndOfChannel(EOFError):  # noqa: N818 -- as EOFError, it says what happened
    """The other side is gone."""


@final
class Channel(Closing):
    """One side of a connection; `sock` is a connected Unix stream socket, which it owns.

    One thread may send and another receive, but no two do the same at once.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._own: SharedMemory | None = None
        self._theirs: mmap.mmap | None = None

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def send(self, parts: Sequence[Part], descriptors: Iterable[int] = ()) -> None:
        """Send a message. Raises EndOfChannel, and OSError where no memory can be had."""
        places, total = _layout([len(part) for part in parts])
        how = _INLINE if total <= _LARGEST_INLINE else _SHARED
        sent = list(descriptors)
        if self._own is not None and self._own.size > _KEPT and total * 4 < self._own.size:
            self._own.close()
            self._own = None
            how |= _FORGET
        if how & _SHARED:
            if self._own is None or self._own.size < total:
                if self._own is not None:
                    self._own.close()
                self._own = SharedMemory(total)
                how += _SHARED_ANEW - _SHARED
                sent.insert(0, self._own.descriptor)
            for (start, end), part in zip(places, parts, strict=True):
                self._own.view[start:end] = part
        pieces: list[Part] = [_HEAD.pack(how, len(parts), total), array.array("Q", map(len, parts)).tobytes()]
        if not how & (_SHARED | _SHARED_ANEW):
            at = 0
            for (start, end), part in zip(places, parts, strict=True):
                pieces += [bytes(start - at), part]
                at = end
        self._send_all(b"".join(pieces), sent)

    def receive(self) -> Message:
        """Wait for a message. Raises EndOfChannel."""
        head, descriptors = self._receive_head()
        how, count, total = _HEAD.unpack(head)
        lengths = array.array("Q", bytes(self._receive(count * 8))).tolist() if count else []
        if how & _FORGET:
            self._theirs = None
            how -= _FORGET
        if how == _SHARED_ANEW:
            descriptor = descriptors.pop(0)
            try:
                self._theirs = mmap.mmap(descriptor, 0)
            finally:
                os.close(descriptor)
        if how == _INLINE:
            whole = memoryview(self._receive(total))
        else:
            assert self._theirs is not None
            whole = memoryview(self._theirs)
        places, _ = _layout(lengths)
        return Message([whole[start:end] for start, end in places], descriptors)

    def set_timeout(self, seconds: float | None) -> None:
        """Let sending and receiving raise TimeoutError where nothing happens for so long."""
        self._socket.settimeout(seconds)

    def shut_down(self) -> None:
        """End the connection for both sides; who waits for a message here or there is told."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end_sending(self) -> None:
        """Tell the other side that nothing follows; what it still sends can be received."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket, and let go of all memory."""
        self._socket.close()
        if self._own is not None:
            self._own.close()
        self._own = self._theirs = None

    def _send_all(self, data: bytes, descriptors: Sequence[int]) -> None:
        try:
            sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else 0
            if sent < len(data):
                self._socket.sendall(memoryview(data)[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EndOfChannel from error

    def _receive_head(self) -> tuple[bytes, list[int]]:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, _HEAD.size, MOST_DESCRIPTORS)
        except ConnectionResetError as error:
            raise EndOfChannel from error
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not data:
            raise EndOfChannel
        if len(data) < _HEAD.size:
            data += bytes(self._receive(_HEAD.size - len(data)))
        return data, list(descriptors)

    def _receive(self, size: int) -> bytearray:
        data = bytearray(size)
        view, at = memoryview(data), 0
        try:
            while at < size:
                received = self._socket.recv_into(view[at:])
                if not received:
                    raise EndOfChannel
                at += received
        except ConnectionResetError as error:
            raise EndOfChannel from error
        return data


@final
class SharedMemory(Closing):
    """Memory for at least `size` bytes that another process can map, which gets the descriptor."""

    def __init__(self, size: int) -> None:
        self.size: int = (
            max(1 << (size - 1).bit_length(), _PAGE) if size <= _KEPT else -(-size // _PAGE) * _PAGE
        )
        self.descriptor: int = _unnamed_file()
        try:
            if hasattr(os, "posix_fallocate"):
                # Where there is not enough, this fails; a write to mapped memory would end the process.
                os.posix_fallocate(self.descriptor, 0, self.size)
            else:
                os.ftruncate(self.descriptor, self.size)
            self.view: memoryview = memoryview(mmap.mmap(self.descriptor, self.size))
        except BaseException:
            os.close(self.descriptor)
            raise

    def close(self) -> None:
        """Let go of the memory, which is freed when the other process does so, too."""
        os.close(self.descriptor)
        self.view.release()


def _unnamed_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("hermpkg", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def channel_pair() -> tuple[Channel, socket.socket]:
    """Make a connection: this process's side, and the socket that another process makes its side of."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs


def _layout(lengths: Iterable[int]) -> tuple[list[tuple[int, int]], int]:
    """Say where each part begins and ends, and where the last one does."""
    places: list[tuple[int, int]] = []
    end = 0
    for length in lengths:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = start + length
        places.append((start, end))
    return places, end
