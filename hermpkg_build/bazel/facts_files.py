"""Import facts in files of their own: what the analysing action writes and the assembling one reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from hermpkg_build.core.digest import Digest
from hermpkg_build.source.facts_codec import encode
from hermpkg_build.source.source_facts import FACTS_VERSION, facts_of_source

FactsMemory: TypeAlias = dict[tuple[str, Digest], bytes]
"""What a process has found out about sources, by the version of the analysis and their digest."""


def write_facts(source: str, output: str) -> None:
    """Analyse the module at the path `source`, and leave its digest and facts in the file `output`."""
    found = facts_of_source(Path(source).read_bytes())
    Path(output).write_bytes(f"{FACTS_VERSION}\n{found.digest}\n".encode() + encode(found.facts))


class DeclaredFacts:
    """The facts in files that other actions wrote, and those of environment modules met on the way.

    The latter are kept in `memory`. They are facts of bytes, whoever has them and wherever they lie: what
    one request of a worker finds out is as true for the next.
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
