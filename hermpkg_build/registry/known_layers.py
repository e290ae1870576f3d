"""Remembers in which files large layers lie: a new version takes them from the last one."""

from __future__ import annotations

import os
from collections.abc import Iterable

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache


def layer_in_hand(digest: Digest, cache: Cache, *, anywhere: bool) -> FileSlice | None:
    """Where a layer lies on this machine: in the cache, or in a file that was pulled and is unchanged since.

    Also in one whose pull ended early. Only in the cache, where not `anywhere`. Whoever takes it from another
    file compares what it makes with a digest.
    """
    if path := cache.content.path_of(digest):
        return FileSlice(path=path, size=digest.size)
    known = cache.actions.get(_key(digest)) if anywhere else None
    if known is None or not isinstance(known.facts, list):
        return None
    try:
        path, offset, *signature = known.facts
        assert isinstance(path, str)
        assert isinstance(offset, int)
        status = os.stat(path)
        is_partial = not signature and os.path.dirname(path) == partial_folder(cache)
        if status.st_size < offset + digest.size or not (is_partial or [*signature_of(status)] == signature):
            return None
    except (OSError, ValueError, AssertionError):
        return None
    return FileSlice(path=path, offset=offset, size=digest.size)


def remember_layers(path: str, places: Iterable[tuple[Digest, int]], cache: Cache) -> None:
    """Note that layers lie in a file from these offsets on. Raises LocalEnvironmentError."""
    path = os.path.abspath(path)
    try:
        signature = [*signature_of(os.stat(path))]
    except OSError:
        return
    for digest, offset in places:
        cache.actions.put(_key(digest), ActionResult(outputs={}, facts=[path, offset, *signature]))


def remember_partial(path: str, digest: Digest, offset: int, cache: Cache) -> None:
    """Note that a layer lies in a file in the `partial_folder` that is still being written."""
    cache.actions.put(_key(digest), ActionResult(outputs={}, facts=[path, offset]))


def partial_folder(cache: Cache) -> str:
    """Where files lie that are not whole yet; what is old there is removed with the cache's other remains."""
    return os.path.join(cache.content.root, "tmp")


def _key(digest: Digest) -> Digest:
    return fingerprint({"kind": "registry-layer", "layer": digest.hash, "version": 1})
