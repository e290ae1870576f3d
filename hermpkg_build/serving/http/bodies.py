"""Bodies of requests and responses: how much of them is read, and how they are compressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hermpkg_build.serving.http.errors import busy
from hermpkg_build.serving.http.interruption import Interruption
from hermpkg_build.serving.protocol.errors import RequestError, bad_request

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_GZIP = 16 + zlib.MAX_WBITS
_LEAST_TO_COMPRESS = 1024


class Room:
    """Room for the bodies of all requests together: up to `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Give what takes room for so many bytes more, until the end of the block; it raises RequestError."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._held + size > self._most:
                raise busy()
            self._held += size
            held += size

        try:
            yield take
        finally:
            self._held -= held


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    most: int,
    seconds: float,
    take: Callable[[int], None],
) -> bytes:
    """Read a body of up to `most` bytes, unpacked, within so many seconds; `take` room for what comes.

    Raises RequestError.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    body = await _received_within(seconds, receive, most, take)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"deflate"):
        raise RequestError(415, f"the encoding {encoding.decode('latin-1')!r} is not known")
    unpacked = await asyncio.to_thread(
        _unpacked, body, _GZIP if encoding == b"gzip" else zlib.MAX_WBITS, most
    )
    take(len(unpacked))
    return unpacked


def packed(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, str]:
    """Compress a body as its reader likes it; return it with the name of the encoding, "" for none."""
    if len(body) < _LEAST_TO_COMPRESS:
        return body, ""
    accepted = headers.get(b"accept-encoding", b"").lower()
    # Only where nothing else is asked for: most clients accept everything, and compressing takes long.
    if accepted.strip() == b"gzip":
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        return packer.compress(body) + packer.flush(), "gzip"
    if accepted.strip() == b"deflate":
        return zlib.compress(body, 1), "deflate"
    return body, ""


async def _received_within(seconds: float, receive: Receive, most: int, take: Callable[[int], None]) -> bytes:
    with Interruption(RequestError(408, "the body did not come in time")) as interrupt:
        timer = asyncio.get_running_loop().call_later(seconds, interrupt)
        try:
            return await _received(receive, most, take)
        finally:
            timer.cancel()


async def _received(receive: Receive, most: int, take: Callable[[int], None]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "the client has gone")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _unpacked(body: bytes, bits: int, most: int) -> bytes:
    unpacker = zlib.decompressobj(bits)
    try:
        data = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise bad_request(f"the body cannot be unpacked: {error}") from None
    if len(data) > most:
        raise _too_large(most)
    if not unpacker.eof or unpacker.unused_data:
        raise bad_request("the body is not one whole compressed stream")
    return data


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"a body may have up to {most} bytes")
