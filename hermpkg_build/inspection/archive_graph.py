"""Works out the module graph of an artifact from the sources and pickles in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from hermpkg_build.analysis.closure import Root, explore
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.archive.layout import EXTERN_MODULES
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.assembly.mocks import mocked_modules
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import begins_like_pickle, manifest_of
from hermpkg_build.inspection.pickle_records import PickleRecords
from hermpkg_build.runtime.contents.archives import read_externs
from hermpkg_build.runtime.importing.roles import ModuleRole, ModuleTree
from hermpkg_build.source.imports import analyse_source
from hermpkg_build.source.source_facts import SourceFacts

# The name of the root that stands for the artifact.
_ARTIFACT = "the artifact"

_PICKLE_END = b"."


def graph_of_archive(archive: ArchiveReader, pickles: PickleRecords | None = None) -> ModuleGraph:
    """Return the modules of `archive` and their imports.

    Roots are the pickles, which name modules, and the artifact itself, which asks for the modules that
    nothing in it needs. What `pickles` of the same archive have read is not read again.
    Raises ArchiveError for damaged records.
    """
    modules = ArchiveModules(archive)
    rules = [
        PolicyRule(policy=Policy.MOCK, include=modules.mocks),
        PolicyRule(policy=Policy.INTERN, include=(*modules.names, "**.__init__")),
        PolicyRule(policy=Policy.EXTERN, include=modules.externs),
    ]
    naming = list(_pickle_roots(archive, pickles or PickleRecords(archive)))
    asked = [Root(source=_ARTIFACT, module=name, kind=EdgeKind.DECLARED) for name in modules.names]
    graph = explore([*naming, *asked], rules, modules, modules)[0].graph
    return _without_needless_roots(graph)


def _without_needless_roots(graph: ModuleGraph) -> ModuleGraph:
    """Return `graph` without the edges from the artifact to modules that something else leads to.

    An artifact of torch.package does not say which modules it was made for. Those that nothing imports must
    be among them; of a cycle that nothing outside imports, the first by name stands for all.
    """
    edges = [edge for edge in graph.edges if edge.kind is not EdgeKind.DECLARED]
    imported = {edge.target for edge in edges}
    pickles = [root for root in graph.roots if root != _ARTIFACT]
    found = ModuleGraph(graph.nodes, edges, pickles)
    reached = found.reachable(pickles)
    declared: list[Edge] = []
    candidates = [edge for edge in graph.edges if edge.kind is EdgeKind.DECLARED]
    for edge in sorted(candidates, key=lambda edge: (edge.target in imported, edge.target)):
        if edge.target not in reached:
            declared.append(edge)
            reached |= found.reachable([edge.target], without=reached)
    return ModuleGraph(graph.nodes, [*edges, *declared], [*pickles, _ARTIFACT])


class ArchiveModules:
    """The modules of an artifact, for analysis to find and read like those of a workspace.

    `names` are the dotted names of the modules with a source in it, `mocks` of those with a stub, and
    `externs` of those that it expects of the machine.
    """

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive
        manifest = manifest_of(archive)
        externs = read_externs(archive) if archive.has(EXTERN_MODULES) else ()
        self._tree = ModuleTree(archive.names(), externs)
        self._listed = manifest.modules if manifest is not None else {}
        mocks = mocked_modules(self._tree.packed, manifest, archive.read)
        self.mocks: tuple[str, ...] = tuple(sorted(mocks))
        self.names: tuple[str, ...] = tuple(sorted(self._tree.packed.sources.keys() - mocks))
        self.externs: tuple[str, ...] = tuple(sorted(externs))

    def find(self, name: str) -> ModuleSource | None:
        """Return the module `name`, packed or extern; None for any other."""
        listed, record = self._listed.get(name), self._tree.packed.source(name) or ""
        role, is_stdlib = self._tree.role(name), top_of(name) in sys.stdlib_module_names
        if record:
            kind = ModuleKind.PACKAGE if self._tree.is_package(name) else ModuleKind.SOURCE
            origin = listed.origin if listed is not None else Origin.GENERATED
        elif self._tree.is_extern(name) or (role is ModuleRole.MISSING and is_stdlib):
            kind, origin = ModuleKind.SOURCE, Origin.STDLIB if is_stdlib else Origin.ENVIRONMENT
        elif role is not ModuleRole.MISSING:
            kind, origin = ModuleKind.NAMESPACE, Origin.GENERATED
        else:
            return None
        return ModuleSource(
            name=name,
            kind=kind,
            origin=origin,
            path=record,
            shown=record,
            distribution=listed.distribution if listed is not None else "",
        )

    def registered(self, _name: str) -> None:
        """Return None: what code puts into ``sys.modules`` while it runs is in no record."""

    def facts_of(self, modules: Sequence[ModuleSource]) -> Sequence[SourceFacts]:
        """Return the import facts of packed modules."""
        sources = [self._archive.read(module.path) for module in modules]
        return [SourceFacts(digest=Digest.of(data), facts=analyse_source(data)) for data in sources]


def _pickle_roots(archive: ArchiveReader, pickles: PickleRecords) -> Iterable[Root]:
    """Return the modules that the archive's pickles name, as roots."""
    for record in archive.names():
        if not begins_like_pickle(archive, record):
            continue
        if archive.entry(record).is_inflated:
            raise ArchiveError(
                "a pickle of the archive unpacks to too many bytes for the modules in it to be told",
                facts=[("file", archive.name), ("record", record), ("bytes", str(archive.size(record)))],
            )
        if bytes(archive.view(record)[-1:]) != _PICKLE_END:
            continue
        for module in sorted({module for module, _ in pickles.read(record).globals}):
            yield Root(source=record, module=module, kind=EdgeKind.PICKLE)
