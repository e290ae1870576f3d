"""All modules that an exporter can pack, from whichever of its importers, and what comes along with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping

from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.core.graph import ModuleGraph, ModuleKind, Origin
from hermpkg_build.core.module_names import parents_of, top_of
from hermpkg_build.core.policy import Policy
from hermpkg_build.exporter.sources.given_importers import providers_of
from hermpkg_build.exporter.sources.interpreter import InterpreterProvider
from hermpkg_build.exporter.sources.packaged import PackageProvider
from hermpkg_build.exporter.sources.provider import ModuleProvider
from hermpkg_build.exporter.sources.repacked import Repacked
from hermpkg_build.runtime.importer_protocol import Importer

OWN_IMPORTER = "torch_package_importer"
"""The module that every importer provides of itself: no package holds it."""


class AvailableModules:
    """The modules that were `given`, then those of each of the importers in `importer`, in order.

    The standard library and torch are there even where no importer has them. So are the folders of
    `records`, which are those of the package that are no modules. `may_import` tells whether a module may
    be imported because nothing else tells of it.
    """

    def __init__(
        self,
        importer: Importer,
        may_import: Callable[[str], bool],
        *,
        given: Mapping[str, ModuleSource] | None = None,
        records: Collection[str] = (),
    ) -> None:
        self._interpreter = InterpreterProvider()
        self.providers = providers_of(importer, may_import, self._interpreter)
        self._given = given or {}
        self._folders: set[str] = {parent for name in self._given for parent in parents_of(name)}
        self._folders.update(PackedModules(records).folders)
        self._found: dict[str, ModuleSource | None] = {}

    @property
    def installed(self) -> ModuleFinder:
        """Finds modules on this interpreter's search path alone."""
        return self._interpreter.finder

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`, None where there is none."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def provider_of(self, name: str) -> ModuleProvider | None:
        """The first provider that has the module `name` with more than a folder, else with a folder."""
        folder = None
        for provider in self.providers:
            found = provider.find(name)
            if found is not None and found.kind is not ModuleKind.NAMESPACE:
                return provider
            folder = folder or (provider if found else None)
        return folder

    def mocked(self) -> list[str]:
        """The modules of which the packages that importers have open hold only stubs, sorted."""
        packages = [provider for provider in self.providers if isinstance(provider, PackageProvider)]
        return sorted({name for package in packages for name in package.mocked})

    def repacked(self, graph: ModuleGraph) -> Repacked:
        """What the interned modules of `graph` that come from packages bring along; the first has its way."""
        names: dict[ModuleProvider | None, list[str]] = {}
        for node in graph.with_policy(Policy.INTERN):
            if node.name not in self._given:
                names.setdefault(self.provider_of(node.name), []).append(node.name)
        repacked = Repacked()
        for provider in self.providers:
            if isinstance(provider, PackageProvider) and provider in names:
                repacked = repacked.beside(provider.repacked(names[provider]))
        return repacked

    def _find(self, name: str) -> ModuleSource | None:
        if name in self._given:
            return self._given[name]
        if name == OWN_IMPORTER:
            return ModuleSource(name=name, kind=ModuleKind.BUILTIN, origin=Origin.STDLIB)
        provider = self.provider_of(name)
        if provider is not None:
            return provider.find(name)
        if name in self._folders:
            return ModuleSource(name=name, kind=ModuleKind.NAMESPACE, origin=Origin.GENERATED)
        top = top_of(name)
        return self._interpreter.find(name) if top == "torch" or top in sys.stdlib_module_names else None
