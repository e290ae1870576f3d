"""What an exporter's plan comes to: every module with its policy and source, and what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hermpkg_build.analysis.closure import Closure, explore
from hermpkg_build.analysis.distributions import versions_of
from hermpkg_build.analysis.files_read import FilesRead, files_read
from hermpkg_build.analysis.modules import ModuleFinder, ModuleSource, generated_module
from hermpkg_build.analysis.problems import Problem
from hermpkg_build.analysis.resolution import Resolver
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, ModuleGraph, ModuleKind, Origin
from hermpkg_build.core.module_names import parents_of, top_of
from hermpkg_build.core.policy import Policy, PolicyTable
from hermpkg_build.exporter.facts_cache import kept_facts
from hermpkg_build.exporter.loaded.held_externs import held_from_outside
from hermpkg_build.exporter.loaded.lazily_loaded import lazily_loaded, loaded_by_helpers
from hermpkg_build.exporter.loaded.named_in_part import loaded_by_part_of_name
from hermpkg_build.exporter.plan import GivenSource, Plan, effective_rules
from hermpkg_build.exporter.sources.carried_files import Carried
from hermpkg_build.exporter.sources.environment import Environment
from hermpkg_build.exporter.sources.given_importers import environments_of
from hermpkg_build.exporter.sources.interpreter import InterpreterEnvironment
from hermpkg_build.exporter.sources.packaged import PackagedEnvironment
from hermpkg_build.source.known_facts import FactsStore, KnownFacts
from hermpkg_build.source.source_facts import Source, SourceFacts

OWN_IMPORTER = "torch_package_importer"
"""The module that every importer provides of itself: no package holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The modules of an export.

    `sources` are the bytes of the interned ones, by dotted name. The index of a rule in `problems` and
    in the graph counts in `given_rules`, which has the index of the given rule that each stands for,
    None for what was saved. `modules` are those that there were to choose from. `files` are those that
    the interned code reads, `carried` what came with modules of other packages.
    """

    graph: ModuleGraph
    sources: Mapping[str, bytes]
    problems: Sequence[Problem]
    given_rules: Sequence[int | None]
    modules: Modules
    distributions: Mapping[str, str]
    files: FilesRead
    carried: Carried


def resolve(plan: Plan, importer: Any, records: Collection[str] = ()) -> Resolution:
    """Follow the imports of all that `plan` asks for, with the modules that `importer` has.

    `records` are those of the package that are no modules: their folders can be imported.
    """
    table: PolicyTable | None = None

    def may_import(name: str) -> bool:
        rule = table.decide(name) if table is not None else None
        return rule is not None and table is not None and table.rules[rule].policy is Policy.INTERN

    interpreter = InterpreterEnvironment()
    environments = environments_of(importer, may_import, interpreter)
    mocked = sorted({name for e in environments if isinstance(e, PackagedEnvironment) for name in e.mocked})
    paired = list(effective_rules(plan, mocked))
    table = PolicyTable([rule for rule, _ in paired])
    modules = Modules(plan.sources, environments, interpreter, records)
    with kept_facts() as kept:
        facts = SourcesRead(modules, kept)
        closure, problems = _explore_with_loaded_modules(plan, table, modules, facts)
    graph = _without(closure.graph, OWN_IMPORTER)
    carried = _carried(graph, modules, environments)
    return Resolution(
        graph=graph,
        sources=facts.sources,
        problems=problems,
        given_rules=[index for _, index in paired],
        modules=modules,
        distributions=carried.versions(graph, versions_of(graph, interpreter.finder.distributions)),
        carried=carried,
        files=files_read(
            graph,
            closure.uses_files,
            entries=interpreter.finder.tree.entries,
            source_of=lambda node: facts.sources[node.name],
            distributions=interpreter.finder.distributions,
        ),
    )


def _explore_with_loaded_modules(
    plan: Plan, table: PolicyTable, modules: Modules, facts: SourcesRead
) -> tuple[Closure, Sequence[Problem]]:
    """Explore until the modules that were found have loaded no more that their sources do not name.

    What they may have loaded need not be what they did, so that no module is an error for it.
    """
    observed: set[Edge] = set()
    resolver = Resolver(table, modules)
    while True:
        closure, problems = explore(
            plan.roots,
            table.rules,
            modules,
            facts,
            sorted(observed, key=lambda edge: (edge.source, edge.target)),
            alone=plan.alone,
            whole_packages=False,
            resolver=resolver,
        )
        named = loaded_by_part_of_name(closure.dynamic, closure.graph)
        helped = loaded_by_helpers([node.name for node in closure.graph.with_policy(Policy.INTERN)])
        allowed = [edge for edge in (*named, *helped) if resolver.standing(edge.target).is_allowed]
        allowed += [
            edge
            for edge in (held_from_outside(closure.graph) if closure.dynamic else ())
            if resolver.standing(edge.target).policy is Policy.EXTERN
        ]
        more = {*lazily_loaded(closure.type_only), *allowed} - observed
        if not more:
            return closure, problems
        observed |= more


def _carried(graph: ModuleGraph, modules: Modules, environments: Sequence[Environment]) -> Carried:
    """What the interned modules that come from packages bring along; the first importer has its way."""
    sources: dict[Environment, list[str]] = {}
    for node in graph.with_policy(Policy.INTERN):
        provider = modules.provider_of(node.name) if not modules.is_given(node.name) else None
        if provider is not None:
            sources.setdefault(provider, []).append(node.name)
    carried = Carried()
    for environment in environments:
        if isinstance(environment, PackagedEnvironment) and environment in sources:
            carried = carried.beside(environment.carried(sources[environment]))
    return carried


class Modules:
    """All modules that can be packed: those that were given, then those of each environment in order.

    The standard library and torch are there even where no environment has them: in `interpreter`.
    """

    def __init__(
        self,
        given: Mapping[str, GivenSource],
        environments: Sequence[Environment],
        interpreter: InterpreterEnvironment,
        records: Collection[str] = (),
    ) -> None:
        self._given = given
        self._folders: set[str] = {parent for name in given for parent in parents_of(name)}
        self._folders.update(PackedModules(records).folders)
        self._environments = environments
        self._interpreter = interpreter
        self._found: dict[str, ModuleSource | None] = {}

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`, None where there is none."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    @property
    def installed(self) -> ModuleFinder:
        """Finds modules on this interpreter's search path alone."""
        return self._interpreter.finder

    def is_given(self, name: str) -> bool:
        """Whether the source of the module `name` was given, whoever else has one."""
        return name in self._given

    def provider_of(self, name: str) -> Environment | None:
        """The first environment that has the module `name` with more than a folder, else with a folder."""
        folder = None
        for environment in self._environments:
            found = environment.find(name)
            if found is not None and found.kind is not ModuleKind.NAMESPACE:
                return environment
            folder = folder or (environment if found else None)
        return folder

    def _find(self, name: str) -> ModuleSource | None:
        given = self._given.get(name)
        if given is not None:
            return generated_module(name, given.data, is_package=given.is_package)
        if name == OWN_IMPORTER:
            return ModuleSource(name=name, kind=ModuleKind.BUILTIN, origin=Origin.STDLIB)
        provider = self.provider_of(name)
        if provider is not None:
            return provider.find(name)
        if name in self._folders:
            return ModuleSource(name=name, kind=ModuleKind.NAMESPACE, origin=Origin.GENERATED)
        top = top_of(name)
        return self._interpreter.find(name) if top == "torch" or top in sys.stdlib_module_names else None


class SourcesRead:
    """Reads the modules that are interned, once, and keeps what it read: that is what will be packed."""

    def __init__(self, modules: Modules, store: FactsStore | None) -> None:
        self.sources: dict[str, bytes] = {}
        self._modules = modules
        self._digests: dict[str, Digest] = {}
        self._facts = KnownFacts(store, os.cpu_count() or 1)

    def facts_of(self, modules: Sequence[ModuleSource]) -> list[SourceFacts]:
        """The digest and the facts of each module's source, in order. Raises OSError."""
        sources: dict[Digest, Source] = {}
        for module in modules:
            if module.name not in self._digests:
                data = self.sources[module.name] = _source_of(module)
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
