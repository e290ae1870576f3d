"""Import facts of many sources: known ones from memory and a store, others analysed and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.import_facts import ImportFacts
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.source_facts import FACTS_VERSION, Source, SourceFacts, facts_of_bytes

WORTH_PROCESSES = 300
"""From this many files on, starting helper processes pays."""

_WORTH_WITH_SCANNER = 800
"""The same where sources are read by the scanner in C: so many take it as long."""

_MOST_KNOWN = 10_000
"""So many facts are kept in memory, about a kilobyte each."""


class FactsStore(Protocol):
    """Import facts as bytes, by the digest of the source and the version that made them."""

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        """The facts that the store has."""
        ...

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        """Add facts to the store."""
        ...


class KnownFacts:
    """The facts of all sources that were asked for, by digest; new ones go into `store`, too.

    Up to `jobs` processes analyse sources. `read` gives the bytes of a file that this process analyses.
    """

    def __init__(
        self, store: FactsStore | None, jobs: int, *, read: Callable[[str], bytes] | None = None
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._read = read
        self._known: dict[Digest, ImportFacts] = {}

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._known

    def __getitem__(self, digest: Digest) -> SourceFacts:
        return SourceFacts(digest=digest, facts=self._known[digest])

    def recall(self, digests: Iterable[Digest]) -> None:
        """Look in the store for facts that are not known."""
        unknown = [digest for digest in dict.fromkeys(digests) if digest not in self._known]
        if self._store is not None and unknown:
            self._known.update(_decoded(self._store.get_many(unknown, version=FACTS_VERSION)))

    def unknown_among(self, digests: Collection[Digest]) -> list[Digest]:
        """Those of `digests` whose facts are neither known nor, as it seems, in the store."""
        unknown = [digest for digest in digests if digest not in self._known]
        if self._store is None or not unknown:
            return unknown
        stored = self._store.get_many(unknown, version=FACTS_VERSION)
        return [digest for digest in unknown if digest not in stored]

    def put(self, encoded: Mapping[Digest, bytes]) -> None:
        """Put facts that were worked out elsewhere into the store, from which they are recalled."""
        if self._store is None:
            self.learn(encoded)
        elif encoded:
            self._store.put_many(encoded, version=FACTS_VERSION)

    def trim(self) -> None:
        """Forget facts that the store has, where there are very many: it is asked for them again."""
        if self._store is not None and len(self._known) > _MOST_KNOWN:
            self._known.clear()

    def learn(self, encoded: Mapping[Digest, bytes]) -> None:
        """Keep facts that were worked out elsewhere."""
        self._keep(_decoded(encoded), encoded)

    def encoded(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """Those of the facts that are known, as `learn` takes them."""
        return {digest: encode(self._known[digest]) for digest in digests if digest in self._known}

    def work_out(self, sources: Mapping[Digest, Source]) -> None:
        """Analyse those of `sources` whose facts are not known. Raises OSError."""
        wanted = {digest: source for digest, source in sources.items() if digest not in self._known}
        files = [source for source in wanted.values() if source.path]
        found: dict[Digest, ImportFacts] = {}
        encoded: dict[Digest, bytes] = {}
        if self._jobs > 1 and _is_worth_processes(len(files)):
            from hermpkg_build.source.parallel import facts_of_files

            # Of a file that has changed since, these are the facts of other bytes, under their own digest.
            for each, kept in facts_of_files(files, self._jobs):
                found[each.digest] = each.facts
                if kept is not None:
                    encoded[each.digest] = kept
        for digest, source in wanted.items():
            if digest not in found:
                found[digest] = self._analyse(source)
        self._keep(found, encoded)

    def _analyse(self, source: Source) -> ImportFacts:
        data = source.data
        if data is None:
            assert self._read is not None
            data = self._read(source.path)
        return facts_of_bytes(data, source.path if source.trusts_bytecode else "")

    def _keep(self, facts: Mapping[Digest, ImportFacts], encoded: Mapping[Digest, bytes]) -> None:
        """Keep `facts`, of some of which the `encoded` form is known."""
        self._known.update(facts)
        if self._store is not None and facts:
            kept = {digest: encoded.get(digest) or encode(found) for digest, found in facts.items()}
            self._store.put_many(kept, version=FACTS_VERSION)


def _is_worth_processes(count: int) -> bool:
    return count >= WORTH_PROCESSES and (count >= _WORTH_WITH_SCANNER or not has_scanner())


def has_scanner() -> bool:
    """Whether sources are read by the scanner in C."""
    from hermpkg_build.extension import choose

    return choose().extension is not None


def _decoded(encoded: Mapping[Digest, bytes]) -> dict[Digest, ImportFacts]:
    """The facts in their stored form; damaged ones are left out."""
    facts = {}
    with paused_collection:
        for digest, data in encoded.items():
            with suppress(ValueError):
                facts[digest] = decode(data)
    return facts
