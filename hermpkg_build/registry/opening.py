"""Gives importers the artifacts of registries as files in the cache."""

from __future__ import annotations

import os

from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.registry.pull import cached_file
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.server import Connection
from hermpkg_build.store.cache import Cache, open_cache

_kept: list[Cache] = []
"""Caches in temporary folders, which are gone when they are closed."""


def local_file(text: str) -> str:
    """Give the path of the artifact that a reference names. Raises CommandLineError and RemoteError.

    With a digest, an artifact that is in the cache already is given without asking anybody.
    """
    reference = Reference.parse(text)
    cache = open_cache(default_cache_directory(os.environ))
    try:
        return cached_file(reference, Connection(), cache)
    finally:
        if cache.writable:
            cache.close()
        else:
            _kept.append(cache)
