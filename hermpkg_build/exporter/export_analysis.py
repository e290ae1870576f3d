"""Finds the modules of an export: each with its policy and source, and all problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hermpkg_build.analysis.closure import Closure, explore
from hermpkg_build.analysis.distributions import versions_of
from hermpkg_build.analysis.files_read import FilesRead, files_read
from hermpkg_build.analysis.import_resolution import Resolver
from hermpkg_build.analysis.left_out import absent_libraries, files_left_out, unparsed_modules
from hermpkg_build.analysis.license_statements import LicenseStatements, license_statements
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.analysis.problems import Problem
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, ModuleGraph
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.policy import PolicyTable
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.exporter.facts_cache import open_facts_cache
from hermpkg_build.exporter.loaded.computed_names import loaded_by_computed_name
from hermpkg_build.exporter.loaded.native_libraries import loaded_libraries
from hermpkg_build.exporter.loaded.observed_imports import externs_in_use, loaded_by_helpers, loaded_on_demand
from hermpkg_build.exporter.plan import Plan, effective_rules
from hermpkg_build.exporter.sources.available_modules import OWN_IMPORTER, AvailableModules
from hermpkg_build.exporter.sources.repacked import Repacked
from hermpkg_build.runtime.importer_protocol import AnyImporter
from hermpkg_build.source.known_facts import FactsStore, KnownFacts
from hermpkg_build.source.source_facts import Source, SourceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAnalysis:
    """The modules of an export.

    `sources` are the bytes of the interned ones, by dotted name. The index of a rule in `problems` and
    in the graph counts in `given_rules`, which has the index of the given rule that each stands for,
    None for saved modules. `modules` are all that could have been packed. `files` are those that the
    interned code reads, `repacked` those that came with modules of other packages, and `licenses` what the
    packed distributions of both say of theirs. `left_out` tells of what the package lacks though its code may
    ask for it.
    """

    graph: ModuleGraph
    sources: Mapping[str, bytes]
    problems: Sequence[Problem]
    given_rules: Sequence[int | None]
    modules: AvailableModules
    distributions: Mapping[str, str]
    files: FilesRead
    repacked: Repacked
    licenses: LicenseStatements
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWalk:
    """The imports of an export, followed: the part of its analysis that tells what the rules lack.

    `given_rules` has for each rule of `problems` and of the closure's graph the index of the given rule that
    it stands for, None for saved modules. `sources` are the bytes of the interned modules.
    """

    closure: Closure
    problems: Sequence[Problem]
    given_rules: Sequence[int | None]
    modules: AvailableModules
    sources: PackedSources


def follow_export(
    plan: Plan, importer: AnyImporter, records: Collection[str] = (), *, strict_imports: bool = False
) -> ExportWalk:
    """Follow the imports of all roots of `plan`, among the modules that `importer` has.

    `records` are the records of data in the package: their folders can be imported. Without
    `strict_imports`, functions may lack what they import.
    """
    table = PolicyTable(())

    def may_import(name: str) -> bool:
        rule = table.decide(name)
        return rule is not None and table.rules[rule].policy is Policy.INTERN

    modules = AvailableModules(importer, may_import, given=plan.sources, records=records)
    rules = list(effective_rules(plan, modules.mocked()))
    table = PolicyTable([rule for rule, _ in rules])
    with open_facts_cache() as store:
        sources = PackedSources(store)
        closure, problems = _explore_with_loaded_modules(
            plan, table, modules, sources, () if strict_imports else tuple(Origin)
        )
    return ExportWalk(
        closure=closure,
        problems=problems,
        given_rules=[index for _, index in rules],
        modules=modules,
        sources=sources,
    )


def analyse_export(
    plan: Plan, importer: AnyImporter, records: Collection[str] = (), *, strict_imports: bool = False
) -> ExportAnalysis:
    """Find the modules of an export as `follow_export` does, and the files that they read."""
    walk = follow_export(plan, importer, records, strict_imports=strict_imports)
    modules, sources, closure = walk.modules, walk.sources, walk.closure
    graph = _without(closure.graph, OWN_IMPORTER)
    repacked = modules.repacked(graph)
    installed = modules.installed
    files = files_read(
        graph,
        closure.uses_files,
        entries=installed.tree.entries,
        source_of=lambda node: sources.data[node.name],
        distributions=installed.distributions,
        seen=loaded_libraries([folder.directory for folder in installed.search_path.folders]),
    )
    licenses = license_statements(graph, installed.distributions, installed.tree)
    return ExportAnalysis(
        graph=graph,
        sources=sources.data,
        problems=walk.problems,
        given_rules=walk.given_rules,
        modules=modules,
        distributions=repacked.versions(graph, versions_of(graph, installed.distributions)),
        repacked=repacked,
        licenses=replace(licenses, statements=repacked.with_licenses(graph, licenses.statements)),
        files=files,
        left_out=[
            *unparsed_modules(closure),
            *filter(None, [absent_libraries(closure)]),
            *files_left_out(files, records),
            *(
                f"the licence file {path!r} is left out: no record can have its name"
                for path in licenses.unpacked
            ),
        ],
    )


def _explore_with_loaded_modules(
    plan: Plan,
    table: PolicyTable,
    modules: AvailableModules,
    sources: PackedSources,
    may_lack: Collection[Origin],
) -> tuple[Closure, Sequence[Problem]]:
    """Explore again as long as modules that were found have loaded others that no source names.

    Whether they have is a guess, so that it never makes a module an error.
    """
    observed: set[Edge] = set()
    resolver = Resolver(table, modules)
    while True:
        closure, problems = explore(
            plan.roots,
            table.rules,
            modules,
            sources,
            sorted(observed, key=lambda edge: (edge.source, edge.target)),
            without_imports=plan.without_imports,
            whole_packages=False,
            may_lack=may_lack,
            resolver=resolver,
        )
        named = loaded_by_computed_name(closure.dynamic, closure.graph)
        helped = loaded_by_helpers([node.name for node in closure.graph.with_policy(Policy.INTERN)])
        allowed = [edge for edge in (*named, *helped) if resolver.verdict(edge.target).is_allowed]
        allowed += [
            edge
            for edge in (externs_in_use(closure.graph) if closure.dynamic else ())
            if resolver.verdict(edge.target).policy is Policy.EXTERN
        ]
        more = {*loaded_on_demand(closure.type_only), *allowed} - observed
        if not more:
            return closure, problems
        observed |= more


class PackedSources:
    """Reads the modules that are interned, once; `data` is what it read, and what will be packed, by name."""

    def __init__(self, store: FactsStore | None) -> None:
        self.data: dict[str, bytes] = {}
        self._digests: dict[str, Digest] = {}
        # In one process: `sys.executable`, which helpers run, can be any program that embeds Python.
        self._facts = KnownFacts(store, 1)

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        """The digest and the facts of each module's source, in order. Raises OSError."""
        sources: dict[Digest, Source] = {}
        for module in modules:
            if module.name not in self._digests:
                data = self.data[module.name] = _source_of(module)
                digest = self._digests[module.name] = Digest.of(data)
                sources[digest] = Source(path=module.path if module.data is None else "", data=data)
        self._facts.recall(sources)
        self._facts.work_out(sources)
        return [self._facts[self._digests[module.name]] for module in modules]


def _source_of(module: ModuleSource) -> bytes:
    if module.data is not None:
        return module.data
    with open(module.path, "rb") as file:
        return file.read()


def _without(graph: ModuleGraph, name: str) -> ModuleGraph:
    if name not in graph.nodes:
        return graph
    nodes = {other: node for other, node in graph.nodes.items() if other != name}
    return ModuleGraph(nodes, [edge for edge in graph.edges if edge.target != name], graph.roots)
