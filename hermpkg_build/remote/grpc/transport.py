"""The protocol of caches that speak the Remote Execution API over gRPC."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.batches import in_batches, read_batch, write_batch
from hermpkg_build.remote.grpc.capabilities import CacheAbilities, cache_abilities
from hermpkg_build.remote.grpc.channel import GrpcChannel
from hermpkg_build.remote.grpc.failures import CallFailedError
from hermpkg_build.remote.grpc.methods import FIND_MISSING_BLOBS, GET_ACTION_RESULT, UPDATE_ACTION_RESULT
from hermpkg_build.remote.grpc.streams import read_blob, write_blob
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import message_digest
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import EMPTY, Blob
from hermpkg_build.store.content import ContentStore

_DIGESTS_OF_A_REQUEST = 10_000
"""Less than a megabyte."""

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
        """Store a serialised ``ActionResult``; all contents that it names have been uploaded."""
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
        ordered = sorted(set(digests) - {EMPTY})
        missing: set[Digest] = set()
        for start in range(0, len(ordered), _DIGESTS_OF_A_REQUEST):
            request = messages.FindMissingBlobsRequest(
                instance_name=self._channel.instance,
                blob_digests=map(message_digest, ordered[start : start + _DIGESTS_OF_A_REQUEST]),
                digest_function=_SHA256,
            )
            answer = self._channel.ask(FIND_MISSING_BLOBS, request, doing="ask which contents the server has")
            missing.update(Digest(each.hash, each.size_bytes) for each in answer.missing_blob_digests)
        return missing

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        """Fetch contents into `content`, each hashed on arrival.

        Gives those that the server does not have whole: absent, truncated, or other bytes.
        Raises LocalEnvironmentError where `content` is full or not writable.
        """
        able = self._abilities()
        if EMPTY in digests:
            content.put_bytes(b"")
        wanted = sorted(set(digests) - {EMPTY})
        batches, large = in_batches(wanted, lambda digest: digest, limit=able.batch_bytes)
        with content.staging() as staging:
            read = partial(read_blob, self._channel, content=content, staging=staging, zstd=able.zstd_streams)
            read_small = partial(read_batch, self._channel, content=content, zstd=able.zstd_batch_reads)
            lost = all_of(
                *(partial(read, digest) for digest in large),
                *(partial(read_small, batch) for batch in batches),
            )
        return set().union(*lost)

    def upload(self, blobs: Sequence[Blob]) -> None:
        """Upload contents, except for files that are gone or have other bytes."""
        able = self._abilities()
        wanted = {blob.digest: blob for blob in blobs if blob.digest != EMPTY}
        self._check_sizes(wanted, able)
        batches, large = in_batches(wanted.values(), lambda blob: blob.digest, limit=able.batch_bytes)
        write = partial(write_blob, self._channel, zstd=able.zstd_streams)
        write_small = partial(write_batch, self._channel, zstd=able.zstd_batch_updates)
        all_of(
            *(partial(write, blob) for blob in large),
            *(partial(write_small, batch) for batch in batches),
        )

    def close(self) -> None:
        """Close the connections. Calls under way in other threads fail."""
        self._channel.close()

    def _abilities(self) -> CacheAbilities:
        return cache_abilities(
            self._channel.capabilities(), server=self._channel.name, compression=self._compression
        )

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
