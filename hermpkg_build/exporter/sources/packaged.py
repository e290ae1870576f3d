"""Importers of packages, and of a user's own kind, as places that modules are packed from."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Collection
from typing import Any

from hermpkg_build.analysis.modules import ModuleSource
from hermpkg_build.archive.layout import MANIFEST, MOCK_MODULE
from hermpkg_build.core.graph import ModuleKind, Origin
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.module_names import module_of_record, parents_of, record_of_module
from hermpkg_build.exporter.sources.carried_files import Carried
from hermpkg_build.exporter.sources.environment import Environment, FoundModule
from hermpkg_build.exporter.sources.loaded_module import describe_module
from hermpkg_build.runtime.importer import PackageImporter

_LONGEST_STUB = 2048


class PackagedEnvironment:
    """The modules of an artifact that a PackageImporter has open.

    `mocked` are those that were mocked when it was made: a stub stands for them, and its source is
    that of the tool that made the artifact.
    """

    def __init__(self, importer: Any, records: PackageRecords, outside: Environment) -> None:
        self.importer = importer
        self._externs = frozenset(importer.extern_modules)
        self._outside = outside
        self.mocked = frozenset(records.mocked_modules())
        self._records = records
        self._manifest = records.manifest()

    def find(self, name: str) -> FoundModule | None:
        """The module `name`; an extern one as it is outside of the package."""
        place = self._records.place_of(name)
        if place is None:
            is_extern = not self._externs.isdisjoint([name, *parents_of(name)])
            return self._outside.find(name) if is_extern else None
        record, is_package = place
        kind = ModuleKind.PACKAGE if is_package else ModuleKind.SOURCE
        source = ModuleSource(
            name=name,
            kind=kind if record else ModuleKind.NAMESPACE,
            origin=Origin.ENVIRONMENT,
            shown=f"{self._records.shown}/{record}" if record else "",
            distribution=self._distribution(name),
        )
        return FoundModule(source, text=self._records.read(record) if record else None)

    def carried(self, modules: Collection[str]) -> Carried:
        """What `modules`, of those that are packed here, bring into another package."""
        if self._manifest is None:
            return Carried()
        return Carried.of(modules, self._manifest, self._records.read)

    def _distribution(self, name: str) -> str:
        known = self._manifest.modules.get(name) if self._manifest is not None else None
        return known.distribution if known is not None else ""

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name under which the importer has `obj`. Raises PicklingError."""
        return _name_by(self.importer, obj, name)

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether the importer has `obj` as `name` of `module`."""
        return _provides(self.importer, obj, module, name)

    def __str__(self) -> str:
        return f"the importer of {self._records.shown}"


class PackageRecords:
    """The records of the artifact of one of our importers."""

    def __init__(self, importer: PackageImporter) -> None:
        self._importer = importer
        self.shown = os.path.basename(importer.filename)

    def place_of(self, name: str) -> tuple[str, bool] | None:
        """The record of a module's source, and whether it is a package; ("", True) for a mere folder."""
        found = self._importer.packaged_module(name)
        return (found.record, found.is_package) if found else None

    def read(self, record: str) -> bytes:
        """The bytes of a record."""
        return self._importer.read_record(record)

    def names(self) -> Collection[str]:
        """The names of all records."""
        return self._importer.record_names()

    def manifest(self) -> Manifest | None:
        """The manifest; None in what torch.package made."""
        return Manifest.from_bytes(self.read(MANIFEST)) if MANIFEST in self.names() else None

    def mocked_modules(self) -> Collection[str]:
        """The names of the modules that are stubs."""
        return _stubs(self.names(), self.read)


class TorchPackageRecords(PackageRecords):
    """The records of the artifact of one of torch's importers, by its PyTorchFileReader."""

    def __init__(self, importer: Any) -> None:
        self._reader = importer.zip_reader
        self._externs = frozenset(importer.extern_modules)
        self._names = frozenset(str(name) for name in self._reader.get_all_records())
        self._folders = {name[:i] for name in self._names for i in range(len(name)) if name[i] == "/"}
        self.shown = os.path.basename(str(importer.filename))

    def place_of(self, name: str) -> tuple[str, bool] | None:
        """As for ours."""
        if name in self._externs:
            return None
        for is_package in (True, False):
            record = record_of_module(name, is_package)
            if record in self._names:
                return record, is_package
        return ("", True) if name.replace(".", "/") in self._folders else None

    def read(self, record: str) -> bytes:
        """The bytes of a record."""
        return bytes(self._reader.get_record(record))

    def names(self) -> Collection[str]:
        """As for ours."""
        return self._names


class CustomEnvironment:
    """An importer of a user's own kind: what its modules say of their files and loaders."""

    def __init__(self, importer: Any, may_import: Callable[[str], bool]) -> None:
        self.importer = importer
        self._may_import = may_import

    def find(self, name: str) -> FoundModule | None:
        """The module `name`, imported only where `may_import` says so."""
        module = (getattr(self.importer, "modules", None) or {}).get(name)
        if module is None:
            if not self._may_import(name):
                return None
            try:
                module = self.importer.import_module(name)
            except Exception:  # noqa: BLE001 -- whatever an importer raises, it has no such module
                return None
        return describe_module(name, module)

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name under which the importer has `obj`. Raises PicklingError."""
        return _name_by(self.importer, obj, name)

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether the importer has `obj` as `name` of `module`."""
        return _provides(self.importer, obj, module, name)

    def __str__(self) -> str:
        return repr(self.importer)


def packaged_environment(importer: Any, outside: Environment) -> PackagedEnvironment | None:
    """The environment of an importer of packages, ours or torch's; None for any other."""
    if isinstance(importer, PackageImporter):
        return PackagedEnvironment(importer, PackageRecords(importer), outside)
    torchs = getattr(sys.modules.get("torch.package.package_importer"), "PackageImporter", None)
    if torchs is not None and isinstance(importer, torchs):
        return PackagedEnvironment(importer, TorchPackageRecords(importer), outside)
    return None


def _stubs(records: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    if f"{MOCK_MODULE}.py" not in records:
        return []
    stubs: list[str] = []
    for record in sorted(records):
        place = module_of_record(record)
        if place is not None and place[0] != MOCK_MODULE:
            text = read(record)
            if len(text) <= _LONGEST_STUB and MOCK_MODULE.encode() in text and _imports_mock(text):
                stubs.append(place[0])
    return stubs


def _imports_mock(text: bytes) -> bool:
    from hermpkg_build.source.imports import analyse_source

    imports = analyse_source(text).imports
    return [imported.module for imported in imports] == [MOCK_MODULE]


def _name_by(importer: Any, obj: Any, name: str) -> tuple[str, str]:
    try:
        module, qualname = importer.get_name(obj, name)
    except Exception as error:
        raise pickle.PicklingError(str(error)) from error
    return str(module), str(qualname)


def _provides(importer: Any, obj: Any, module: str, name: str) -> bool:
    try:
        found: Any = importer.import_module(module)
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except Exception:  # noqa: BLE001 -- importing runs anyone's code; what fails provides nothing
        return False
    return found is obj
