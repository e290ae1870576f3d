"""Import facts of modules: from the cache where their bytes are known, by analysis where not."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.facts import ImportFacts
from hermpkg_build.core.graph import ModuleKind, Origin
from hermpkg_build.errors import AnalysisError, Location
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.imports import analyse_source
from hermpkg_build.source.source_facts import FACTS_VERSION, SourceFacts, facts_of_source, with_syntax

if TYPE_CHECKING:
    from hermpkg_build.analysis.modules import ModuleSource
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.journal import Journal

_WORTH_PROCESSES = 300
"""From this many sources on, starting helper processes pays."""


class FactsStore(Protocol):
    """Import facts as bytes, by the digest of the source and the version that made them."""

    def get_many(self, digests: Collection[Digest], *, version: str) -> dict[Digest, bytes]:
        """Those that are there."""
        ...

    def put_many(self, facts: Mapping[Digest, bytes], *, version: str) -> None:
        """Keep some more."""
        ...


class FactsPacks(Protocol):
    """Import facts that machines share, in packs with names."""

    def find(self, wanted: Mapping[Digest, str]) -> dict[Digest, bytes]:
        """The facts of those sources that a pack knows; `wanted` has the name of each one's pack."""
        ...

    def add(self, name: str, facts: Mapping[Digest, bytes]) -> None:
        """Let the pack `name` have these facts too."""
        ...


class CachedFacts:
    """The facts provider of a build, used by all its targets so that each source is read once.

    What `cache` does not know is asked of the packs that machines share, where there are some.
    """

    def __init__(
        self,
        tree: SourceTree,
        cache: FactsStore,
        journal: Journal,
        jobs: int,
        *,
        packs: FactsPacks | None = None,
    ) -> None:
        self._tree = tree
        self._cache = cache
        self._journal = journal
        self._jobs = jobs
        self._packs = packs
        self._packed: dict[str, dict[Digest, None]] = {}
        self._outdated: set[str] = set()
        self._known: dict[Digest, ImportFacts] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        """The digest and the facts of each module's source, in order. Raises AnalysisError."""
        try:
            return self._facts_of(modules)
        except OSError as error:
            raise _unreadable(modules, error) from error

    def _facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        with self._lock:
            digests = self._tree.digests([module.path for module in modules])
            unknown = dict.fromkeys(digest for digest in digests if digest not in self._known)
            self._known.update(self._recall(unknown))
            sources = dict(zip(digests, modules, strict=True))
            if self._packs is not None:
                self._known.update(self._find_shared(self._packs, sources))
            missing = {digest: module for digest, module in sources.items() if digest not in self._known}
            self._known.update(self._analyse(missing))
            self._tell(modules, digests, missing)
            return [SourceFacts(digest=digest, facts=self._known[digest]) for digest in digests]

    def _recall(self, digests: Collection[Digest]) -> dict[Digest, ImportFacts]:
        """The facts of those sources for which the cache has some; a corrupt entry is a miss."""
        recalled = {}
        for digest, data in self._cache.get_many(digests, version=FACTS_VERSION).items():
            with suppress(ValueError):
                recalled[digest] = decode(data)
        return recalled

    def _find_shared(
        self, packs: FactsPacks, sources: Mapping[Digest, ModuleSource]
    ) -> dict[Digest, ImportFacts]:
        """The facts that only the packs know; which of these are behind the times is kept in mind."""
        for digest, module in sources.items():
            self._packed.setdefault(_pack_of(module), {})[digest] = None
        wanted = {digest: _pack_of(module) for digest, module in sources.items() if digest not in self._known}
        found = {}
        for digest, data in packs.find(wanted).items():
            with suppress(ValueError):
                found[digest] = decode(data)
        self._outdated.update(name for digest, name in wanted.items() if digest not in found)
        self._cache.put_many(
            {digest: encode(facts) for digest, facts in found.items()}, version=FACTS_VERSION
        )
        return found

    def share(self) -> None:
        """Bring what this build had to find out itself into the packs."""
        if self._packs is None:
            return
        with self._lock:
            outdated, self._outdated = sorted(self._outdated), set()
            for name in outdated:
                known = {
                    digest: self._known[digest] for digest in self._packed[name] if digest in self._known
                }
                self._packs.add(name, {digest: encode(facts) for digest, facts in known.items()})

    def _analyse(self, modules: Mapping[Digest, ModuleSource]) -> dict[Digest, ImportFacts]:
        paths = [module.path for module in modules.values()]
        if len(paths) >= _WORTH_PROCESSES and self._jobs > 1:
            from hermpkg_build.source.parallel import analyse_many

            facts = analyse_many(paths, self._jobs)
        else:
            facts = [analyse_source(self._tree.read(path)) for path in paths]
        fresh = {
            digest: self._with_syntax(module, found)
            for (digest, module), found in zip(modules.items(), facts, strict=True)
        }
        encoded = {digest: encode(found) for digest, found in fresh.items()}
        self._cache.put_many(encoded, version=FACTS_VERSION)
        return fresh

    def _with_syntax(self, module: ModuleSource, facts: ImportFacts) -> ImportFacts:
        # Helper processes read for themselves; the tree sees that it was the source with this digest.
        data = self._tree.read(module.path)
        if module.origin is Origin.WORKSPACE:
            # What people edit is parsed: its bytecode can be that of another text of this size and time.
            return with_syntax(facts, data)
        return with_syntax(facts, data, module.path, os.stat(module.path).st_mtime)

    def _tell(
        self, modules: Sequence[ModuleSource], digests: Sequence[Digest], missing: Collection[Digest]
    ) -> None:
        for module, digest in zip(modules, digests, strict=True):
            if module.path in self._told:
                continue
            self._told.add(module.path)
            if digest in missing:
                self._journal.ran("analyse", module.name, ("its source was not analysed before",))
            else:
                self._journal.recalled("analyse", module.name)


class FactsWithSources:
    """The facts provider of one target: its own `sources` by module name, everything else shared."""

    def __init__(self, shared: CachedFacts, sources: Mapping[str, bytes]) -> None:
        self._shared = shared
        self._sources = sources

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        """The digest and the facts of each module's source, in order. Raises AnalysisError."""
        read = [module for module in modules if module.origin is not Origin.GENERATED]
        shared = iter(self._shared.facts_of(read))
        return [
            next(shared)
            if module.origin is not Origin.GENERATED
            else facts_of_source(self._sources[module.name])
            for module in modules
        ]


def _pack_of(module: ModuleSource) -> str:
    """The name of the pack with a module's facts: its BUILD file's folder, or its top-level name.

    Modules of their own that were installed without a package are in one pack together.
    """
    if module.label is not None:
        return f"//{module.label.package}"
    top, dot, _ = module.name.partition(".")
    return top if dot or module.kind is ModuleKind.PACKAGE else ""


def _unreadable(modules: Sequence[ModuleSource], error: OSError) -> AnalysisError:
    """The error for a source that is listed and cannot be read, or is gone by now."""
    module = next((module for module in modules if module.path == error.filename), None)
    return AnalysisError(
        f"the source of {module.name} cannot be read" if module else "a source cannot be read",
        location=Location(module.shown or module.path) if module else None,
        facts=[("reason", error.strerror or str(error))],
        next_step="check its permissions, and build again",
    )
