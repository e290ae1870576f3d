"""Messages between two processes: small ones through a Unix socket, large ones through shared memory.

The memory has no name in the file system, so nothing is left of it when both processes have ended, however
they did. Each side writes into blocks of its own, and uses a block again once the other side has copied what
was in it; each message tells which messages of the other side its sender has done with. So any number of
messages may be on their way.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, final

from hermpkg_build.core.closing import Closing

Part = bytes | bytearray | memoryview
"""Bytes in memory, contiguous and of one dimension."""

_HEAD = struct.Struct("<IIQIIQ")
"""Parts, descriptors, bytes with what lies between, block, block that is let go, messages done with."""
_INLINE = 0
"""In place of the number of a block: the parts come with the head."""

_LARGEST_INLINE = 16 << 10
"""So many bytes of each message that may be on its way have room in a socket, which nobody waits for."""
_BUFFER = 256 << 10
_READ = 16 << 10
_ALIGNMENT = 64
_KEPT = 64 << 20
"""Memory of up to so many bytes is kept however small the next messages are."""
_PAGE = mmap.PAGESIZE
MOST_DESCRIPTORS = 8
"""The most descriptors that come with one message."""


class Message(NamedTuple):
    """What was received: parts, until it is done with, and descriptors, which are the receiver's."""

    parts: list[memoryview]
    descriptors: list[int]


class EndOfChannel(EOFError):  # noqa: N818 -- as EOFError, it says what happened
    """The other side is gone."""


@final
class Channel(Closing):
    """One side of a connection; `sock` is a connected Unix stream socket, which it owns.

    One thread may send and another receive, but no two do the same at once. What a message holds is copied
    before `done` is called, or the next one is received.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._own = _Blocks()
        self._theirs: dict[int, mmap.mmap] = {}
        self._received = 0
        self._done = 0
        self._ahead = bytearray()
        """What was read and belongs to later messages."""
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    @property
    def has_read_more(self) -> bool:
        """Whether more was read with the last message: then the descriptor need not tell of the next one."""
        return bool(self._ahead)

    @property
    def blocks(self) -> int:
        """How many blocks of memory this side has for its messages."""
        return len(self._own)

    def send(self, parts: Sequence[Part], descriptors: Iterable[int] = ()) -> None:
        """Send a message. Raises EndOfChannel, and OSError where no memory can be had: then none was sent."""
        lengths = [len(part) for part in parts]
        places, total = _layout(lengths)
        sent = list(descriptors)
        number, forgotten = _INLINE, self._own.let_go(total)
        if total > _LARGEST_INLINE:
            number, replaced, memory = self._own.take(total, may_replace=forgotten == _INLINE)
            forgotten = forgotten or replaced
            if memory.descriptor >= 0:
                sent.insert(0, memory.descriptor)
            for (start, end), part in zip(places, parts, strict=True):
                memory.view[start:end] = part
        self._own.sent(number)
        head = _HEAD.pack(len(parts), len(sent), total, number, forgotten, self._done)
        pieces: list[Part] = [head, array.array("Q", lengths).tobytes()]
        if number == _INLINE:
            at = 0
            for (start, end), part in zip(places, parts, strict=True):
                pieces += [bytes(start - at), part]
                at = end
        self._send_all(b"".join(pieces), sent)
        if number != _INLINE:
            memory.keep_mapping()

    def receive(self) -> Message:
        """Wait for a message. Raises EndOfChannel."""
        self.done()
        head = self._receive(_HEAD.size)
        count, sent, total, number, forgotten, done = _HEAD.unpack(head)
        lengths = array.array("Q", self._receive(count * 8)).tolist() if count else []
        self._received += 1
        self._own.free(done)
        self._theirs.pop(forgotten, None)
        descriptors, self._descriptors = self._descriptors[:sent], self._descriptors[sent:]
        if number == _INLINE:
            whole = memoryview(self._receive(total))
        else:
            if number not in self._theirs:
                descriptor = descriptors.pop(0)
                try:
                    self._theirs[number] = mmap.mmap(descriptor, 0)
                finally:
                    os.close(descriptor)
            whole = memoryview(self._theirs[number])
        places, _ = _layout(lengths)
        return Message([whole[start:end] for start, end in places], descriptors)

    def done(self) -> None:
        """Let the other side overwrite what was received, when the next message tells of it."""
        self._done = self._received

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
        self._own.close()
        self._theirs.clear()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def _send_all(self, data: bytes, descriptors: Sequence[int]) -> None:
        try:
            sent = socket.send_fds(self._socket, [data], descriptors) if descriptors else 0
            if sent < len(data):
                self._socket.sendall(memoryview(data)[sent:])
        except TimeoutError:
            raise
        except OSError as error:
            # What was sent may be half a message, after which there can be no other.
            self.shut_down()
            raise EndOfChannel from error

    def _receive(self, size: int) -> bytes:
        """Return the next bytes, of all that can be read at once."""
        ahead = self._ahead
        while len(ahead) < size:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._socket, max(_READ, size - len(ahead)), MOST_DESCRIPTORS
                )
            except ConnectionResetError as error:
                raise EndOfChannel from error
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            self._descriptors += descriptors
            if not data:
                raise EndOfChannel
            ahead += data
        taken = bytes(memoryview(ahead)[:size])
        del ahead[:size]
        return taken


class _Blocks:
    """The memory for messages of one side: a block is in use until the message in it was done with."""

    def __init__(self) -> None:
        self._blocks: dict[int, SharedMemory] = {}
        self._used: dict[int, int] = {}
        """By block that is in use, the message in it."""
        self._messages = 0
        self._made = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._blocks)

    def let_go(self, size: int) -> int:
        """Let a block go that is far too large for `size` bytes; return its number, if there is one."""
        with self._lock:
            for number, block in self._blocks.items():
                if block.size > _KEPT and block.size > size * 4 and number not in self._used:
                    self._blocks.pop(number).close()
                    return number
        return _INLINE

    def take(self, size: int, *, may_replace: bool) -> tuple[int, int, SharedMemory]:
        """Return a block of at least `size` bytes, with its number and that of one that it replaces.

        Raises OSError.
        """
        with self._lock:
            free = sorted(
                (block.size, number) for number, block in self._blocks.items() if number not in self._used
            )
            for has, number in free:
                if has >= size:
                    return number, _INLINE, self._blocks[number]
            memory = SharedMemory(size)
            replaced = _INLINE
            if free and may_replace:
                replaced = free[0][1]
                self._blocks.pop(replaced).close()
            self._made += 1
            self._blocks[self._made] = memory
            return self._made, replaced, memory

    def sent(self, number: int) -> None:
        """Note that a message is sent, in the block `number`, if it is in one."""
        with self._lock:
            self._messages += 1
            if number != _INLINE:
                self._used[number] = self._messages

    def free(self, done: int) -> None:
        """Note that the other side has done with its first `done` messages."""
        with self._lock:
            for number in [number for number, message in self._used.items() if message <= done]:
                del self._used[number]

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            for memory in self._blocks.values():
                memory.close()
            self._blocks.clear()
            self._used.clear()


@final
class SharedMemory(Closing):
    """Memory for at least `size` bytes that another process can map, which gets the descriptor."""

    def __init__(self, size: int) -> None:
        self.size: int = (
            max(1 << (size - 1).bit_length(), _PAGE) if size <= _KEPT else -(-size // _PAGE) * _PAGE
        )
        self.descriptor: int = -1
        try:
            self.descriptor = _unnamed_file()
            if hasattr(os, "posix_fallocate"):
                # Where there is not enough, this fails; a write to mapped memory would end the process.
                os.posix_fallocate(self.descriptor, 0, self.size)
            else:
                os.ftruncate(self.descriptor, self.size)
            self.view: memoryview = memoryview(mmap.mmap(self.descriptor, self.size))
        except BaseException as error:
            self.keep_mapping()
            if not isinstance(error, OSError):
                raise
            reason = (
                f"there is no memory for a message of {size:,} bytes to another process: {error.strerror}"
            )
            raise OSError(error.errno, reason) from error

    def keep_mapping(self) -> None:
        """Close the descriptor, which the other process has; `descriptor` is -1 then."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the memory, which is freed when the other process does so, too."""
        self.keep_mapping()
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
