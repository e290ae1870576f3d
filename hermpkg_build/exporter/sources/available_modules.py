"""All modules that an exporter can pack, and the data that comes with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping

from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_names import parents_of, top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.exporter.sources.given_importers import providers_of
from hermpkg_build.exporter.sources.interpreter import InterpreterProvider
from hermpkg_build.exporter.sources.packaged import PackageProvider
from hermpkg_build.exporter.sources.provider import ModuleProvider
from hermpkg_build.exporter.sources.repacked import Repacked
from hermpkg_build.runtime.importer_protocol import AnyImporter

OWN_IMPORTER = "torch_package_importer"
"""A module that every importer provides itself; no package holds it."""


class AvailableModules:
    """The modules that were `given`, then those of each of the importers in `importer`, in order.

    The standard library and torch are there even where no importer has them, and so are the folders of
    `records`, the records of data in the package. `may_import` tells whether a module may be imported to
    learn where it comes from.
    """

    def __init__(
        self,
        importer: AnyImporter,
        may_import: Callable[[str], bool],
        *,
        given: Mapping[str, ModuleSource] | None = None,
        records: Collection[str] = (),
    ) -> None:
        self._interpreter = InterpreterProvider()
        self.providers: list[ModuleProvider] = providers_of(importer, may_import, self._interpreter)
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

    def registered(self, name: str) -> ModuleSource | None:
        """The module `name` where the code of its package puts it into ``sys.modules``."""
        return self._interpreter.finder.registered(name)

    def provider_of(self, name: str) -> ModuleProvider | None:
        """The first provider that has the module `name`; one that has a folder without code comes last."""
        folder = None
        for provider in self.providers:
            found = provider.find(name)
            if found is not None and found.kind is not ModuleKind.NAMESPACE:
                return provider
            folder = folder or (provider if found else None)
        return folder

    def mocked(self) -> list[str]:
        """The modules that are mocked in the packages of the importers, sorted."""
        packages = [provider for provider in self.providers if isinstance(provider, PackageProvider)]
        return sorted({name for package in packages for name in package.mocked})

    def repacked(self, graph: ModuleGraph) -> Repacked:
        """The data that comes with those interned modules of `graph` that other packages provide."""
        names: dict[ModuleProvider | None, list[str]] = {}
        for node in graph.with_policy(Policy.INTERN):
            if node.name not in self._given:
                names.setdefault(self.provider_of(node.name), []).append(node.name)
        repacked = Repacked()
        for provider in self.providers:
            if isinstance(provider, PackageProvider) and provider in names:
                repacked = repacked.joined(provider.repacked(names[provider]))
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
