"""Shares import facts between machines, in packs: one for all modules below a top-level name.

Facts are a function of a source's bytes alone, so a pack needs no key that covers its sources: it holds
facts by the digest of the source, and an outdated one still has all that did not change. A pack is asked
for when the first module of its name is not known here. What had to be analysed nevertheless goes into its
next edition.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.reapi.entries import SharedAction
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.store.content import ContentStore

_FORMAT = 1
_PACK_LIMIT = 8 << 20
"""Bytes of facts in a pack, about those of ten thousand modules; the oldest give way to new ones."""

_LINE = re.compile(rf"({Digest.JSON_PATTERN}) ([^\n]*)".encode())


class SharedFacts:
    """The packs of one version of the analyser on a server, for one build."""

    def __init__(self, remote: RemoteCache, content: ContentStore, version: str) -> None:
        self._remote = remote
        self._content = content
        self._version = version
        self._packs: dict[str, Mapping[Digest, bytes]] = {}

    def find(self, wanted: Mapping[Digest, str]) -> dict[Digest, bytes]:
        """The facts of those sources that a pack knows; `wanted` has the name of each one's pack."""
        new = sorted({name for name in wanted.values() if name not in self._packs})
        if new:
            packs = all_of(*(partial(self._fetch, name) for name in new))
            self._packs.update(zip(new, packs, strict=True))
        return {
            digest: self._packs[name][digest]
            for digest, name in wanted.items()
            if digest in self._packs[name]
        }

    def add(self, name: str, facts: Mapping[Digest, bytes]) -> None:
        """Add facts to the next edition of the pack `name`."""
        self._remote.later(lambda: self._publish(name, facts))

    def _publish(self, name: str, facts: Mapping[Digest, bytes]) -> None:
        # What others have added since it was asked for stays in it; what was found out here goes first.
        before = {**self._packs.get(name, {}), **self._fetch(name)}
        kept = {digest: data for digest, data in before.items() if digest not in facts}
        pack = encode_pack({**facts, **kept})
        digest = self._content.put_bytes(pack)
        self._remote.put(self._action(name), ActionResult(outputs={"facts": digest}, facts=None))

    def _fetch(self, name: str) -> Mapping[Digest, bytes]:
        result = self._remote.get(self._action(name))
        digest = result.outputs.get("facts") if result else None
        pack = self._content.get_bytes(digest) if digest else None
        return {} if pack is None else decode_pack(pack)

    def _action(self, name: str) -> SharedAction:
        key = fingerprint(["import facts", _FORMAT, self._version, name])
        return SharedAction(
            name=f"import-facts {_FORMAT}", key=key, subject=f"import facts of {name or 'modules'}"
        )


def encode_pack(facts: Mapping[Digest, bytes]) -> bytes:
    """Facts by the digest of their source as one blob: a line for each, compressed, up to a limit."""
    lines = []
    size = 0
    for digest, data in facts.items():
        line = b"%s %s\n" % (str(digest).encode(), data)
        size += len(line)
        if size > _PACK_LIMIT:
            break
        lines.append(line)
    return zlib.compress(b"".join(lines), 6)


def decode_pack(pack: bytes) -> dict[Digest, bytes]:
    """The inverse of `encode_pack`; empty for anything else, however much that would unpack to."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(pack, _PACK_LIMIT + 1)
    except zlib.error:
        return {}
    if not stream.eof:
        return {}
    matches = (_LINE.fullmatch(line) for line in text.split(b"\n"))
    return {Digest.parse(match[1].decode()): match[2] for match in matches if match}
