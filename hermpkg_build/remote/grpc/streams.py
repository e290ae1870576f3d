"""Reads and writes blobs too large for one message: in pieces, resumed where a stream breaks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.remote.compression import decompressed
from hermpkg_build.remote.grpc.channel import GrpcChannel
from hermpkg_build.remote.grpc.failures import LOST, CallFailedError, not_understood
from hermpkg_build.remote.grpc.methods import QUERY_WRITE_STATUS, READ, WRITE
from hermpkg_build.remote.incoming_blob import IncomingBlob
from hermpkg_build.remote.outgoing_blob import OutgoingBlob
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_DATA_TAG = b"\x52"
"""Of field 10, a string of bytes."""

_CANNOT_RESUME = frozenset(("FAILED_PRECONDITION", "INVALID_ARGUMENT", "OUT_OF_RANGE", "UNIMPLEMENTED"))


def read_blob(
    channel: GrpcChannel, digest: Digest, *, content: ContentStore, staging: str, zstd: bool
) -> set[Digest]:
    """Fetch a blob into `content`; gives its digest where the server lacks it. Raises RemoteError.

    After a failure, reading goes on behind the last byte that arrived. (With compression too: the
    offset counts bytes of the blob, and what is sent from there is a frame of its own.)
    """
    attempts = channel.attempts(f"download {digest.size:,} bytes")
    with IncomingBlob(digest, content, staging) as incoming:
        while True:
            try:
                for piece in _pieces(channel, digest, incoming.received, zstd=zstd):
                    incoming.take(piece)
                    attempts.advanced(incoming.received)
                    if incoming.complete:
                        # A server that never ends the stream would be waited for otherwise.
                        break
                return set() if incoming.keep() else {digest}
            except CallFailedError as error:
                if error.code in LOST:
                    return {digest}
                attempts.failed(error)


def write_blob(channel: GrpcChannel, blob: Blob, *, zstd: bool) -> None:
    """Upload a blob, unless its file is gone or has other bytes. Raises RemoteError.

    After a failure, the server is asked how much it kept, and writing goes on from there. It may answer
    before the end that it has the blob already.
    """
    attempts = channel.attempts(f"upload {blob.digest.size:,} bytes")
    outgoing = OutgoingBlob(blob, zstd=zstd)
    name, offset = _upload_name(channel, outgoing), 0
    while True:
        try:
            answer = channel.send(WRITE, _requests(outgoing, name, offset))
            if not outgoing.lost and not outgoing.accepted(answer.committed_size):
                raise CallFailedError("ABORTED", f"the server kept {answer.committed_size:,} bytes only")
            return
        except CallFailedError as error:
            if outgoing.lost:
                return
            if offset and error.code in _CANNOT_RESUME:
                name, offset = _upload_name(channel, outgoing), 0
                continue
            attempts.failed(error)
        status = _status(channel, name)
        if status.complete:
            return
        attempts.advanced(status.committed_size)
        offset = status.committed_size


def _pieces(channel: GrpcChannel, digest: Digest, offset: int, *, zstd: bool) -> Iterator[Bytes]:
    """The bytes of a blob from `offset` on, in pieces."""
    request = messages.ReadRequest(
        resource_name="/".join([*_instance(channel), _name(digest, zstd=zstd)]), read_offset=offset
    )
    data = map(_data_of, channel.serialised_responses(READ, request))
    return decompressed(data) if zstd else data


def _data_of(response: bytes) -> Bytes:
    """The data of a serialised ReadResponse, without a copy where it holds nothing else."""
    start = 1
    length = shift = 0
    if response[:1] == _DATA_TAG:
        for byte in response[1:6]:
            start += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if start + length == len(response):
            return memoryview(response)[start:]
    try:
        return messages.ReadResponse.FromString(response).data
    except DecodeError as error:
        raise not_understood(error) from error


def _requests(outgoing: OutgoingBlob, name: str, offset: int) -> Iterator[messages.WriteRequest]:
    """The messages that write a blob from `offset` on; the last one is missing where the blob is lost."""
    for position, piece, last in outgoing.pieces(offset):
        yield messages.WriteRequest(
            # Only the first has to name the resource.
            resource_name=name if position == offset else "",
            write_offset=position,
            data=piece,
            finish_write=last,
        )


def _status(channel: GrpcChannel, name: str) -> messages.QueryWriteStatusResponse:
    """How far an upload came; where the server does not know, it begins anew."""
    try:
        return channel.call(QUERY_WRITE_STATUS, messages.QueryWriteStatusRequest(resource_name=name))
    except CallFailedError:
        return messages.QueryWriteStatusResponse()


def _upload_name(channel: GrpcChannel, outgoing: OutgoingBlob) -> str:
    name = _name(outgoing.blob.digest, zstd=outgoing.zstd)
    return "/".join([*_instance(channel), "uploads", str(uuid.uuid4()), name])


def _name(digest: Digest, *, zstd: bool) -> str:
    return f"compressed-blobs/zstd/{digest}" if zstd else f"blobs/{digest}"


def _instance(channel: GrpcChannel) -> list[str]:
    return [channel.instance] if channel.instance else []
