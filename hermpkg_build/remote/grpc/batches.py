"""Reads and writes small blobs, many in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.compression import compress, decompress
from hermpkg_build.remote.grpc.channel import GrpcChannel
from hermpkg_build.remote.grpc.failures import ALREADY_EXISTS, OK, PASSING, REFUSED, CallFailedError
from hermpkg_build.remote.grpc.methods import BATCH_READ_BLOBS, BATCH_UPDATE_BLOBS
from hermpkg_build.remote.outgoing_blob import whole_bytes
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import message_digest
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_AROUND = 192
"""Bytes around each blob of a batch: its digest, a status, tags and lengths."""

_WORTH_A_STREAM = 1 << 20
"""Bytes from which a blob has a stream of its own, which can be resumed."""

_WORTH_COMPRESSING = 512
"""Bytes below which compression saves less than it costs."""

_SHA256 = messages.DigestFunction.SHA256
_IDENTITY = messages.Compressor.IDENTITY
_ZSTD = messages.Compressor.ZSTD
_T = TypeVar("_T")


def in_batches(
    items: Iterable[_T], digest_of: Callable[[_T], Digest], *, limit: int
) -> tuple[list[list[_T]], list[_T]]:
    """Divide items into batches whose blobs fit into `limit` bytes, and items that go one by one."""
    batches: list[list[_T]] = []
    large: list[_T] = []
    room = 0
    for item in items:
        size = digest_of(item).size + _AROUND
        if size > min(limit, _WORTH_A_STREAM):
            large.append(item)
            continue
        if size > room:
            batches.append([])
            room = limit
        batches[-1].append(item)
        room -= size
    return batches, large


def read_batch(
    channel: GrpcChannel, digests: Sequence[Digest], *, content: ContentStore, zstd: bool
) -> set[Digest]:
    """Fetch blobs into `content`; gives those that the server does not have whole. Raises RemoteError."""
    attempts = channel.attempts(f"download {len(digests):,} blobs")
    wanted = set(digests)
    absent: set[Digest] = set()
    while wanted:
        request = messages.BatchReadBlobsRequest(
            instance_name=channel.instance,
            digests=map(message_digest, sorted(wanted)),
            acceptable_compressors=[_IDENTITY, _ZSTD] if zstd else [],
            digest_function=_SHA256,
        )
        passing = None
        try:
            moves = sum(digest.size for digest in wanted)
            for answer in channel.call(BATCH_READ_BLOBS, request, moves=moves).responses:
                digest = Digest(answer.digest.hash, answer.digest.size_bytes)
                failure = _failure(answer.status)
                if digest not in wanted:
                    continue
                if failure is not None and failure.code in PASSING | REFUSED:
                    passing = failure
                    continue
                wanted.discard(digest)
                if failure is not None or not _keep(answer, digest, content):
                    absent.add(digest)
            if passing is None:
                # A server leaves out what it does not have.
                return absent | wanted
            raise passing
        except CallFailedError as error:
            attempts.failed(error)
    return absent


def write_batch(channel: GrpcChannel, blobs: Sequence[Blob], *, zstd: bool) -> None:
    """Upload blobs, unless their files are gone or have other bytes. Raises RemoteError."""
    attempts = channel.attempts(f"upload {len(blobs):,} blobs")
    unsent = {blob.digest: data for blob in blobs if (data := whole_bytes(blob)) is not None}
    while unsent:
        request = messages.BatchUpdateBlobsRequest(
            instance_name=channel.instance,
            requests=(_update(digest, data, zstd=zstd) for digest, data in unsent.items()),
            digest_function=_SHA256,
        )
        failure = None
        try:
            for answer in channel.call(BATCH_UPDATE_BLOBS, request, moves=request.ByteSize()).responses:
                answered = _failure(answer.status, writes=True)
                if answered is None:
                    unsent.pop(Digest(answer.digest.hash, answer.digest.size_bytes), None)
                failure = failure or answered
            if unsent:
                raise failure or CallFailedError("INTERNAL", f"the answer leaves out {len(unsent):,} blobs")
        except CallFailedError as error:
            attempts.failed(error)


def _keep(answer: messages.BatchReadBlobsResponse.Response, digest: Digest, content: ContentStore) -> bool:
    """Put one blob into the store if its bytes have the digest; whether they have."""
    data: bytes | None = answer.data
    if answer.compressor == _ZSTD:
        data = decompress(answer.data, digest.size)
    if data is None or Digest.of(data) != digest:
        return False
    content.put_bytes(data)
    return True


def _update(digest: Digest, data: bytes, *, zstd: bool) -> messages.BatchUpdateBlobsRequest.Request:
    packed = compress(data) if zstd and len(data) >= _WORTH_COMPRESSING else None
    return messages.BatchUpdateBlobsRequest.Request(
        digest=message_digest(digest),
        data=data if packed is None else packed,
        compressor=_IDENTITY if packed is None else _ZSTD,
    )


def _failure(status: messages.Status, *, writes: bool = False) -> CallFailedError | None:
    if status.code in (OK, ALREADY_EXISTS):
        return None
    return CallFailedError.of_status(status.code, status.message, writes=writes)
