"""Messages between the warm process and its clients: JSON objects with their lengths, and descriptors."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_LONGEST = 1 << 20
_CREDENTIALS = struct.Struct("3i")


def send(connection: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send one message. Raises OSError."""
    text = json.dumps(message).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(text))], list(descriptors))
    connection.sendall(text)


def receive(connection: socket.socket, *, descriptors: int = 0) -> tuple[dict[str, Any], list[int]]:
    """Receive one message and exactly that many descriptors. Raises OSError, ValueError for anything else."""
    start, received, _, _ = socket.recv_fds(connection, _LENGTH.size, descriptors)
    try:
        start += _exactly(connection, _LENGTH.size - len(start))
        (length,) = _LENGTH.unpack(start)
        if length > _LONGEST or len(received) != descriptors:
            raise ValueError("not a message")
        message = json.loads(_exactly(connection, length))
        if not isinstance(message, dict):
            raise ValueError("not an object")
    except BaseException:
        for descriptor in received:
            socket.close(descriptor)
        raise
    return message, received


def peer_of(connection: socket.socket) -> int:
    """Return the user at the other end. Raises OSError."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ValueError("the connection ended")
        data += part
    return data
