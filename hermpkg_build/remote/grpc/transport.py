"""A cache that speaks the Remote Execution API over gRPC."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.files import read_file
from hermpkg_build.errors import ActionError
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.batches import in_batches, read_batch, write_batch
from hermpkg_build.remote.grpc.capabilities import CacheAbilities, cache_abilities
from hermpkg_build.remote.grpc.channel import GrpcChannel
from hermpkg_build.remote.grpc.failures import CallFailedError
from hermpkg_build.remote.grpc.methods import (
    FIND_MISSING_BLOBS,
    GET_ACTION_RESULT,
    UPDATE_ACTION_RESULT,
)
from hermpkg_build.remote.grpc.streams import read_blob, write_blob
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.digest_messages import message_digest
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_DIGESTS_OF_A_REQUEST = 10_000
"""Less than a megabyte."""

_EMPTY = Digest.of(b"")
_SHA256 = messages.DigestFunction.SHA256


class GrpcTransport:
    """The cache at `settings.cache`, or that behind a `channel` which is used for other calls too.

    What it can do is asked before anything else. The empty blob never travels: every server has it.
    """

    def __init__(self, settings: RemoteSettings, channel: GrpcChannel | None = None) -> None:
        self._channel = channel or GrpcChannel(settings, settings.cache)
        self._compression = settings.compression

    def get_result(self, action: Digest) -> bytes | None:
        """The serialised ``ActionResult`` of the action with this digest; None where there is none."""
        self._abilities()
        request = messages.GetActionResultRequest(
            instance_name=self._channel.instance,
            action_digest=message_digest(action),
            digest_function=_SHA256,
        )

        def look() -> bytes | None:
            try:
                return self._channel.call(GET_ACTION_RESULT, request).SerializeToString()
            except CallFailedError as error:
                if error.code == "NOT_FOUND":
                    return None
                raise

        return self._channel.attempts("look for the result of an action").of(look)

    def put_result(self, action: Digest, result: bytes) -> None:
        """Keep a serialised ``ActionResult``; all contents that it names have been uploaded."""
        if not self._abilities().takes_results:
            raise RemoteError(
                "denied",
                "the server takes no results",
                server=self._channel.name,
                reason="its action cache is only read",
                next_step="build with --remote-upload off",
            )
        request = messages.UpdateActionResultRequest(
            instance_name=self._channel.instance,
            action_digest=message_digest(action),
            action_result=messages.ActionResult.FromString(result),
            digest_function=_SHA256,
        )
        self._channel.ask(UPDATE_ACTION_RESULT, request, doing="upload the result of an action")

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Those of `digests` whose contents the server does not have."""
        self._abilities()
        ordered = sorted(set(digests) - {_EMPTY})
        starts = range(0, len(ordered), _DIGESTS_OF_A_REQUEST)
        requests = [
            messages.FindMissingBlobsRequest(
                instance_name=self._channel.instance,
                blob_digests=map(message_digest, ordered[start : start + _DIGESTS_OF_A_REQUEST]),
                digest_function=_SHA256,
            )
            for start in starts
        ]
        return {
            Digest(digest.hash, digest.size_bytes)
            for request in requests
            for digest in self._channel.ask(
                FIND_MISSING_BLOBS, request, doing="ask which contents the server has"
            ).missing_blob_digests
        }

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        """Fetch contents into `content`, each hashed on arrival.

        Gives those that the server does not have whole: absent, truncated, or other bytes.
        Raises LocalEnvironmentError where `content` is full or not writable.
        """
        able = self._abilities()
        wanted = set(digests)
        if _EMPTY in wanted:
            content.put_bytes(b"")
            wanted.discard(_EMPTY)
        batches, large = in_batches(sorted(wanted), lambda digest: digest, limit=able.batch_bytes)
        with content.staging() as staging:
            lost = all_of(
                *(partial(self._download_large, digest, content, staging, able) for digest in large),
                *(partial(self._download_batch, batch, content, able) for batch in batches),
            )
        return set().union(*lost)

    def upload(self, blobs: Sequence[Blob]) -> None:
        """Bring contents to the server. A file that is gone or no longer has its bytes is left out."""
        able = self._abilities()
        wanted = {blob.digest: blob for blob in blobs if blob.digest != _EMPTY}
        self._check_sizes(wanted, able)
        batches, large = in_batches(wanted.values(), lambda blob: blob.digest, limit=able.batch_bytes)
        all_of(
            *(partial(self._upload_large, blob, able) for blob in large),
            *(partial(self._upload_batch, batch, able) for batch in batches),
        )

    def close(self) -> None:
        """Let go of connections."""
        self._channel.close()

    def _abilities(self) -> CacheAbilities:
        return cache_abilities(
            self._channel.capabilities(), server=self._channel.name, compression=self._compression
        )

    def _download_large(
        self, digest: Digest, content: ContentStore, staging: str, able: CacheAbilities
    ) -> set[Digest]:
        here = read_blob(self._channel, digest, content, staging, zstd=able.zstd_streams)
        return set() if here else {digest}

    def _download_batch(
        self, digests: Sequence[Digest], content: ContentStore, able: CacheAbilities
    ) -> set[Digest]:
        return read_batch(self._channel, digests, content, zstd=able.zstd_batch_reads)

    def _upload_large(self, blob: Blob, able: CacheAbilities) -> None:
        write_blob(self._channel, blob, zstd=able.zstd_streams)

    def _upload_batch(self, blobs: Sequence[Blob], able: CacheAbilities) -> None:
        here = [(blob.digest, data) for blob in blobs if (data := _bytes_of(blob)) is not None]
        write_batch(self._channel, here, zstd=able.zstd_batch_updates)

    def _check_sizes(self, digests: Collection[Digest], able: CacheAbilities) -> None:
        largest = max((digest.size for digest in digests), default=0)
        if 0 < able.largest_blob < largest:
            raise RemoteError(
                "full",
                f"cannot upload {largest:,} bytes",
                server=self._channel.name,
                reason=f"the server takes no more than {able.largest_blob:,} bytes at once",
                next_step="have the server take larger blobs, or build with --remote-upload off",
            )


def _bytes_of(blob: Blob) -> bytes | None:
    """The bytes of a small blob; None where its file is gone or has others."""
    if blob.data is not None:
        return blob.data
    try:
        data, _ = read_file(blob.path)
    except (OSError, ActionError):
        return None
    return data if Digest.of(data) == blob.digest else None
