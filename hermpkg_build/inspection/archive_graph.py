"""The module graph of an artifact, worked out from the sources and pickles that it holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from hermpkg_build.analysis.closure import Root, SourceFacts, explore
from hermpkg_build.analysis.imports import analyse_source
from hermpkg_build.analysis.modules import ModuleSource
from hermpkg_build.archive.layout import DATA, EXTERN_MODULES, module_of_record
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import EdgeKind, ModuleGraph, ModuleKind, Origin
from hermpkg_build.core.policy import Policy, PolicyRule
from hermpkg_build.inspection.contents import manifest_of, modules_by_policy
from hermpkg_build.inspection.pickle_globals import globals_of_pickle

_PICKLE_START, _PICKLE_END = b"\x80", b"."


def graph_of_archive(archive: ArchiveReader) -> ModuleGraph:
    """Which module of `archive` imports which, from the pickles that name the first of them.

    Modules that nothing in the archive asks for are roots of their own, named by the artifact.
    Raises ArchiveError for damaged records.
    """
    modules = ArchiveModules(archive)
    rules = [
        PolicyRule(policy=Policy.MOCK, include=modules.mocks),
        PolicyRule(policy=Policy.INTERN, include=modules.names),
        PolicyRule(policy=Policy.EXTERN, include=modules.externs),
    ]
    roots = list(_pickle_roots(archive))
    graph = explore(roots, rules, modules, modules)[0].graph
    unasked = [name for name in modules.names if name not in graph.nodes]
    if not unasked:
        return graph
    # A module that only another unasked one imports is still shown as that one's import: chains
    # are shortest first, and roots come in the order in which packages come before their modules.
    declared = [Root(source=archive.root, module=name, kind=EdgeKind.DECLARED) for name in unasked]
    return explore([*roots, *declared], rules, modules, modules)[0].graph


class ArchiveModules:
    """The modules of an artifact, found and read as analysis finds and reads those of a workspace.

    `names` are the dotted names of packed modules, `mocks` those that only have a stub, and `externs`
    those that the artifact expects of the machine.
    """

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive
        self._records: dict[str, tuple[str, bool]] = {}
        for record in archive.names():
            module = module_of_record(record)
            if module is not None:
                self._records[module[0]] = (record, module[1])
        self._folders = {parent for name in self._records for parent in _parents(name)}
        manifest = manifest_of(archive)
        self._provenance = {
            name: (module.origin, module.distribution)
            for name, module in (manifest.modules if manifest is not None else {}).items()
        }
        self.mocks = modules_by_policy(manifest)[Policy.MOCK] if manifest is not None else ()
        self.names = tuple(sorted(self._records.keys() - self.mocks))
        text = archive.read(EXTERN_MODULES).decode() if archive.has(EXTERN_MODULES) else ""
        self.externs = tuple(sorted(filter(None, text.splitlines())))
        self._known_externs = frozenset(self.externs)

    def find(self, name: str) -> ModuleSource | None:
        """The packed module `name`, or what is known of an extern one; None for any other."""
        if name in self._records:
            record, is_package = self._records[name]
            kind = ModuleKind.PACKAGE if is_package else ModuleKind.SOURCE
            origin, distribution = self._provenance.get(name, (Origin.GENERATED, ""))
            return ModuleSource(
                name=name, kind=kind, origin=origin, path=record, shown=record, distribution=distribution
            )
        if name in self._folders:
            return ModuleSource(name=name, kind=ModuleKind.NAMESPACE, origin=Origin.GENERATED)
        if name.partition(".")[0] in sys.stdlib_module_names:
            return ModuleSource(name=name, kind=ModuleKind.SOURCE, origin=Origin.STDLIB)
        if name in self._known_externs:
            distribution = self._provenance.get(name, (Origin.ENVIRONMENT, ""))[1]
            return ModuleSource(
                name=name, kind=ModuleKind.SOURCE, origin=Origin.ENVIRONMENT, distribution=distribution
            )
        return None

    def facts_of(self, modules: Sequence[ModuleSource]) -> Sequence[SourceFacts]:
        """The import facts of packed modules."""
        sources = [self._archive.read(module.path) for module in modules]
        return [SourceFacts(digest=Digest.of(data), facts=analyse_source(data)) for data in sources]


def _pickle_roots(archive: ArchiveReader) -> Iterable[Root]:
    """The modules that the archive's pickles name."""
    for record in archive.names():
        if record.startswith(DATA) or record.endswith(".py"):
            continue
        view = archive.view(record)
        if bytes(view[:1]) != _PICKLE_START or bytes(view[-1:]) != _PICKLE_END:
            continue
        for module in sorted({module for module, _ in globals_of_pickle(archive.read(record))}):
            yield Root(source=record, module=module, kind=EdgeKind.PICKLE)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
