"""The import facts of a build's modules: from the cache, from packs that machines share, or by analysis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.errors import AnalysisError, Location
from hermpkg_build.source.known_facts import WORTH_PROCESSES, FactsStore, KnownFacts
from hermpkg_build.source.source_facts import Source, SourceFacts, facts_of_source

if TYPE_CHECKING:
    from hermpkg_build.analysis.module_finder import ModuleSource
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.journal import Journal


class FactsPacks(Protocol):
    """Packs of facts that machines share, each with a name."""

    def find(self, wanted: Mapping[Digest, str]) -> dict[Digest, bytes]:
        """The facts of those sources that a pack knows; `wanted` has the name of each one's pack."""
        ...

    def add(self, name: str, facts: Mapping[Digest, bytes]) -> None:
        """Let the pack `name` have these facts too, from its next edition on."""
        ...


class CachedFacts(Relayed):
    """The facts provider of a build, used by all its targets so that each source is read once.

    Who asks for facts notes that it rests on the sources.

    What `cache` does not know is asked of the packs that machines share, where there are some. `keep` is
    given the bytes of what is read here.
    """

    def __init__(
        self,
        tree: SourceTree,
        cache: FactsStore,
        journal: Journal,
        jobs: int,
        *,
        packs: FactsPacks | None = None,
        keep: Callable[[Digest, bytes], None] = lambda _, __: None,
    ) -> None:
        self._tree = tree
        self._keep = keep
        self._journal = journal
        self._packs = packs
        self._packed: dict[str, dict[Digest, None]] = {}
        self._outdated: set[str] = set()
        self._found_out: set[str] = set()
        self._facts = KnownFacts(cache, jobs, read=tree.read_for_targets)
        self._told: set[str] = set()
        self._telling = threading.Lock()
        self._lock = threading.Lock()
        """Held while sources are analysed, which whoever has facts from elsewhere does not wait for."""

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        """The digest and the facts of each module's source, in order. Raises AnalysisError."""
        read = [module for module in modules if module.data is None]
        try:
            shared = iter(self._facts_of(read))
        except OSError as error:
            raise _unreadable(modules, error) from error
        return [next(shared) if module.data is None else facts_of_source(module.data) for module in modules]

    def _facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        with self._lock:
            paths = [module.path for module in modules]
            read = dict[Digest, bytes | None]()
            if len(modules) < WORTH_PROCESSES:
                read.update(self._tree.digests_and_bytes(paths))
            digests = self._tree.digests_for_targets(paths)
            sources = dict(zip(digests, modules, strict=True))
            self._learn_known(modules, digests)
            missing = {digest for digest in digests if digest not in self._facts}
            self._note_found_out([digest.hash for digest in missing])
            self._facts.work_out({digest: _source(sources[digest], read.get(digest)) for digest in missing})
            for digest, data in read.items():
                if data is not None:
                    self._keep(digest, data)
            self._tell(modules)
            return [self._facts[digest] for digest in digests]

    def unknown_of(self, modules: Sequence[ModuleSource]) -> dict[Digest, Source]:
        """The sources of `modules` whose facts nobody knows. Raises what reading them raises."""
        digests = self._tree.digests_for_targets([module.path for module in modules])
        sources = dict(zip(digests, modules, strict=True))
        if self._packs is not None:
            with self._lock:
                self._learn_known(modules, digests)
        unknown = self._facts.unknown_among(sources)
        return {digest: _source(sources[digest]) for digest in unknown}

    def take(self, modules: Sequence[ModuleSource], encoded: Mapping[Digest, bytes]) -> None:
        """Keep facts of `modules` that another process has worked out."""
        digests = [self._tree.digest_for_targets(module.path) for module in modules]
        self._note_found_out([digest.hash for digest in encoded])
        self._facts.put(encoded)
        self._tell([module for module, digest in zip(modules, digests, strict=True) if digest in encoded])

    def _learn_known(self, modules: Sequence[ModuleSource], digests: Sequence[Digest]) -> None:
        """Learn the facts that the cache or the packs know."""
        if self._packs is None:
            self._facts.trim()
        self._facts.recall(digests)
        if self._packs is not None:
            self._find_shared(
                self._packs,
                [(_pack_of(module), digest) for module, digest in zip(modules, digests, strict=True)],
            )

    def _find_shared(self, packs: FactsPacks, sources: Sequence[tuple[str, Digest]]) -> None:
        """Learn the facts that only the packs know; `sources` has the pack of each one.

        Packs that miss some are outdated. So are those with a source that this build had to analyse for
        another pack: whoever asks for it here first is to find it.
        """
        for name, digest in sources:
            self._packed.setdefault(name, {})[digest] = None
        self._facts.learn(packs.find({digest: name for name, digest in sources if digest not in self._facts}))
        self._outdated.update(
            name for name, digest in sources if digest.hash in self._found_out or digest not in self._facts
        )

    @relayed
    def _note_found_out(self, hashes: Sequence[str]) -> None:
        """Note sources that this build analyses, by their hashes."""
        self._found_out.update(hashes)

    def share(self) -> None:
        """Add the facts that this build had to find out itself to the packs."""
        if self._packs is None:
            return
        with self._lock:
            outdated, self._outdated = sorted(self._outdated), set()
            for name in outdated:
                self._packs.add(name, self._facts.encoded(self._packed[name]))

    def _tell(self, modules: Sequence[ModuleSource]) -> None:
        """Tell of modules, each once, whether their sources were analysed for this build.

        Which were told of knows only the process that tells: targets before this one can be built elsewhere.
        """
        if self.relay is None:
            modules = [module for module in modules if module.path not in self._told]
        if modules:
            self.tell_of([module.path for module in modules], [module.name for module in modules])

    @relayed
    def tell_of(self, paths: Sequence[str], names: Sequence[str]) -> None:
        """Tell of sources, by their paths and the names of their modules."""
        with self._telling:
            new = {path: name for path, name in zip(paths, names, strict=True) if path not in self._told}
            self._told.update(new)
        for path, name in new.items():
            if self._tree.digest_for_targets(path).hash in self._found_out:
                self._journal.action_ran("analyse", name, ("its source was not analysed before",))
            else:
                self._journal.action_recalled("analyse", name)


def _source(module: ModuleSource, data: bytes | None = None) -> Source:
    # Files that people edit are parsed: bytecode can be that of another text of the same size and time.
    return Source(path=module.path, data=data, trusts_bytecode=module.origin is not Origin.WORKSPACE)


def _pack_of(module: ModuleSource) -> str:
    """The name of the pack with a module's facts: its BUILD file's folder, or its top-level name.

    Modules of their own that were installed without a package are in one pack together.
    """
    if module.label is not None:
        return f"//{module.label.package}"
    top, dot, _ = module.name.partition(".")
    return top if dot or module.kind is ModuleKind.PACKAGE else ""


def _unreadable(modules: Sequence[ModuleSource], error: OSError) -> AnalysisError:
    """The error for a source that is listed but cannot be read."""
    module = next((module for module in modules if module.path == error.filename), None)
    return AnalysisError(
        f"the source of {module.name} cannot be read" if module else "a source cannot be read",
        location=Location(module.shown or module.path) if module else None,
        facts=[("reason", error.strerror or str(error))],
        next_step="check its permissions, and build again",
    )
