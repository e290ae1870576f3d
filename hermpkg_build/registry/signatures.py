"""Names and signatures of artifacts that came from a registry, wherever their files lie now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.referrers import Attachment, attachments_of
from hermpkg_build.registry.repository import Repository
from hermpkg_build.registry.server import Connection
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache, open_cache

_SUFFIX = ".sig"
_LARGEST = 1 << 20
"""Bytes of a signature of one file: whoever may push to a repository may add hundreds."""


def remember_origin(file: str, reference: Reference, attachments: Iterable[Attachment], cache: Cache) -> None:
    """Keep where the artifact with the SHA-256 `file` came from, a pinned reference, and its signatures."""
    known = cache.actions.get(_key(file))
    signatures = dict(known.outputs) if known is not None and known.facts == str(reference) else {}
    for each in attachments:
        if each.ending.endswith(_SUFFIX) and len(each.data) <= _LARGEST:
            digest = cache.content.put_bytes(each.data)
            signatures[digest.hash] = digest
    cache.actions.put(_key(file), ActionResult(outputs=signatures, facts=str(reference)))


def signatures_of(file: str) -> Iterator[tuple[str, bytes]]:
    """Give the signatures of an artifact that came from a registry, by its SHA-256, with words for each.

    Those that are known come out of the cache. Whoever wants more has the registry asked, once, and what is
    found there is known from then on. Nothing is verified here. Raises RemoteError where it cannot be asked.
    """
    folder = default_cache_directory(os.environ)
    if not os.path.isdir(folder):
        return  # Nothing came from anywhere, and no cache is made for that.
    cache = open_cache(folder)
    try:
        known = cache.actions.get(_key(file))
        if known is None:
            return
        reference = Reference.parse(str(known.facts))
        given = set()
        for digest in known.outputs.values():
            if (data := cache.content.get_bytes(digest)) is not None:
                given.add(digest)
                yield f"{reference}, as it was in the cache", data
        new: list[Attachment] = []
        try:
            with Repository(reference, Connection()) as repository:
                manifest = Digest(reference.sha256, 0)
                for each in attachments_of(
                    repository, manifest, cache.content, suffix=_SUFFIX, most_bytes=_LARGEST
                ):
                    if Digest.of(each.data) not in given:
                        new.append(each)
                        yield f"{reference}, {each.ending}", each.data
        finally:
            remember_origin(file, reference, new, cache)
    finally:
        cache.close()


def name_of(file: str) -> str:
    """Return the name that `hermpkg pull` gives an artifact, by its SHA-256; "" for one of no registry."""
    folder = default_cache_directory(os.environ)
    if not os.path.isdir(folder):
        return ""
    with closing(open_cache(folder)) as cache:
        known = cache.actions.get(_key(file))
    return f"{Reference.parse(str(known.facts)).name}.pt" if known is not None else ""


def _key(file: str) -> Digest:
    return fingerprint({"kind": "registry-origin", "file": file, "version": 1})
