"""Files of import facts, which the action `analyse` writes and `assemble` reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from hermpkg_build.core.digest import Digest
from hermpkg_build.source.facts_codec import encode
from hermpkg_build.source.source_facts import FACTS_VERSION, facts_of_source

FactsMemory: TypeAlias = dict[tuple[str, Digest], bytes]
"""The encoded facts that a process knows, by the version of the analysis and the digest of the source."""


def write_facts(source: str, output: str) -> None:
    """Analyse the module at the path `source`; write its digest and facts to the file `output`."""
    found = facts_of_source(Path(source).read_bytes())
    Path(output).write_bytes(f"{FACTS_VERSION}\n{found.digest}\n".encode() + encode(found.facts))


class DeclaredFacts:
    """A `FactsStore` of the facts in files that other actions wrote, and of those in `memory`.

    Facts of environment modules are added to `memory`. They depend on the bytes of a source alone, so they
    hold for the next request of a worker too.
    """

    def __init__(self, paths: Iterable[str], memory: FactsMemory) -> None:
        self._declared: FactsMemory = {}
        self._met = memory
        for path in paths:
            version, digest, facts = Path(path).read_bytes().split(b"\n", 2)
            self._declared[version.decode(), Digest.parse(digest.decode())] = facts

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        """See `FactsStore`."""
        found = {
            digest: self._declared.get((version, digest)) or self._met.get((version, digest))
            for digest in digests
        }
        return {digest: facts for digest, facts in found.items() if facts is not None}

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        """See `FactsStore`."""
        self._met.update({(version, digest): data for digest, data in facts.items()})
