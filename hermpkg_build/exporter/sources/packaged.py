"""Importers of packages, and those of a user's own class, as providers of modules."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Collection
from typing import Any

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.assembly.mocks import mocked_modules
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.exporter.sources.loaded_module import describe_module
from hermpkg_build.exporter.sources.provider import ModuleProvider
from hermpkg_build.exporter.sources.repacked import Repacked
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.runtime.importing.roles import ModuleRole, ModuleTree


class ImporterProvider:
    """An importer that names objects, and finds objects by name."""

    def __init__(self, importer: Any) -> None:
        self.importer = importer

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name under which the importer has `obj`. Raises PicklingError."""
        try:
            module, qualname = self.importer.get_name(obj, name)
        except Exception as error:
            raise pickle.PicklingError(str(error)) from error
        return str(module), str(qualname)

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether the importer has `obj` as `name` of `module`."""
        try:
            found: Any = self.importer.import_module(module)
            for attribute in name.split("."):
                found = getattr(found, attribute)
        except Exception:  # noqa: BLE001 -- importing can run any code; a module that fails provides nothing
            return False
        return found is obj

    def __str__(self) -> str:
        return repr(self.importer)


class PackageProvider(ImporterProvider):
    """The modules of an artifact that an importer has open.

    `mocked` are those that were mocked when it was made: a stub stands for them, and its source is
    that of the tool that made the artifact. `read` gives the bytes of one of the `records`; `outside` is
    where the extern ones come from.
    """

    def __init__(
        self, importer: Any, records: Collection[str], read: Callable[[str], bytes], outside: ModuleProvider
    ) -> None:
        super().__init__(importer)
        self._file = os.path.basename(str(importer.filename))
        self._read = read
        self._outside = outside
        self._tree = ModuleTree(frozenset(records), frozenset(importer.extern_modules))
        self._manifest = Manifest.from_bytes(read(MANIFEST)) if MANIFEST in records else None
        self.mocked: frozenset[str] = mocked_modules(self._tree.packed, self._manifest, read)

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`; an extern one comes from `outside`."""
        if self._tree.is_extern(name):
            return self._outside.find(name)
        record, role = self._tree.packed.source(name), self._tree.role(name)
        if record is None and role is not ModuleRole.NAMESPACE:
            return None
        kind = ModuleKind.PACKAGE if self._tree.is_package(name) else ModuleKind.SOURCE
        return ModuleSource(
            name=name,
            kind=kind if record else ModuleKind.NAMESPACE,
            origin=Origin.ENVIRONMENT,
            shown=f"{self._file}/{record}" if record else "",
            distribution=self._distribution(name),
            data=bytes(self._read(record)) if record else None,
        )

    def repacked(self, modules: Collection[str]) -> Repacked:
        """The data that comes with `modules`, which are packed here, into another package."""
        if self._manifest is None:
            return Repacked()
        return Repacked.of(modules, self._tree.packed, self._manifest, self._read)

    def _distribution(self, name: str) -> str:
        known = self._manifest.modules.get(name) if self._manifest is not None else None
        return known.distribution if known is not None else ""

    def __str__(self) -> str:
        return f"the importer of {self._file}"


class CustomProvider(ImporterProvider):
    """An importer of a user's own class, whose modules say which file or loader they come from."""

    def __init__(self, importer: Any, may_import: Callable[[str], bool]) -> None:
        super().__init__(importer)
        self._may_import = may_import

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`, imported only where `may_import` says so."""
        module = (getattr(self.importer, "modules", None) or {}).get(name)
        if module is None:
            if not self._may_import(name):
                return None
            try:
                module = self.importer.import_module(name)
            except Exception:  # noqa: BLE001 -- an importer that raises has no such module
                return None
        return describe_module(name, module)


def package_provider(importer: Any, outside: ModuleProvider) -> PackageProvider | None:
    """The provider for an importer of packages, ours or torch's; None for any other importer."""
    torchs: Any = getattr(sys.modules.get("torch.package.package_importer"), "PackageImporter", ())
    if isinstance(importer, PackageImporter):
        return PackageProvider(importer, importer.record_names(), importer.read_record, outside)
    if isinstance(importer, torchs):
        reader = importer.zip_reader
        records = [str(name) for name in reader.get_all_records()]
        return PackageProvider(importer, records, reader.get_record, outside)
    return None
