"""What a cache server can do, read from the capabilities that it states."""

from __future__ import annotations

from hermpkg_build.dataclass import dataclass
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.reapi import messages

_MESSAGE_LIMIT = 4 << 20
"""Bytes of a message that gRPC takes by default."""

_MARGIN = 64 << 10
"""Bytes left for all but the blobs of a batch: proxies and servers count it in."""

_API_MAJOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAbilities:
    """What one cache server can do.

    `batch_bytes` is the size of the blobs of one batch with their digests, `largest_blob` that of a blob
    which the server takes, 0 for any. `zstd_streams`, `zstd_batch_reads` and `zstd_batch_updates` say
    where blobs may travel compressed. `takes_results` is false where the action cache is only read.
    """

    batch_bytes: int
    largest_blob: int
    zstd_streams: bool
    zstd_batch_reads: bool
    zstd_batch_updates: bool
    takes_results: bool


def cache_abilities(
    capabilities: messages.ServerCapabilities, *, server: str, compression: bool
) -> CacheAbilities:
    """Read the capabilities of a cache. Raises RemoteError for one that cannot be used."""
    check_version(capabilities, server=server)
    cache = capabilities.cache_capabilities
    if not capabilities.HasField("cache_capabilities"):
        raise _unusable(
            server,
            "the server is not a cache",
            "its capabilities name no cache",
            "correct --remote-cache or --remote-instance",
        )
    if messages.DigestFunction.SHA256 not in cache.digest_functions:
        raise _unusable(
            server,
            "the server does not identify contents by SHA-256",
            "its capabilities name other digest functions only",
            "have the server use SHA256, or choose another with --remote-cache",
        )
    zstd = messages.Compressor.ZSTD
    streams = compression and zstd in cache.supported_compressors
    return CacheAbilities(
        batch_bytes=min(cache.max_batch_total_size_bytes or _MESSAGE_LIMIT, _MESSAGE_LIMIT - _MARGIN),
        largest_blob=cache.max_cas_blob_size_bytes,
        zstd_streams=streams,
        # What a server sends in a batch is its own choice among what is acceptable to us.
        zstd_batch_reads=streams,
        zstd_batch_updates=compression and zstd in cache.supported_batch_update_compressors,
        takes_results=cache.action_cache_update_capabilities.update_enabled,
    )


def check_version(capabilities: messages.ServerCapabilities, *, server: str) -> None:
    """Raise RemoteError where the server does not speak version 2 of the API, whatever its minor version."""
    low, high = capabilities.low_api_version, capabilities.high_api_version
    # A server that states no version may still speak this one.
    if low.major > _API_MAJOR or 0 < high.major < _API_MAJOR:
        raise _unusable(
            server,
            "the server speaks another version of the Remote Execution API",
            f"it speaks {low.major}.{low.minor} to {high.major}.{high.minor}, hermpkg speaks 2",
            "use a server that speaks version 2",
        )


def _unusable(server: str, summary: str, reason: str, next_step: str) -> RemoteError:
    return RemoteError("protocol", summary, server=server, reason=reason, next_step=next_step)
