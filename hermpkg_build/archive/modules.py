"""Tells which modules a set of records holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property

from hermpkg_build.core.module_names import (
    ModuleName,
    is_module_name,
    module_of_record,
    package_of_init,
    parents_of,
)


class PackedModules:
    """The modules and packages that the records named `records` hold.

    A folder without ``__init__.py`` is a namespace package, whatever lies in it. Of ``a.py`` beside
    ``a/__init__.py`` the package counts. As in Python, ``a.__init__`` is a module with the package's source.

    `sources` are the records of the modules, by dotted name; `folders` the dotted names of all folders that
    have one.
    """

    def __init__(self, records: Iterable[str]) -> None:
        records = [*records]
        sources: dict[str, str] = {}
        self._regular: set[str] = set()
        folders = {record.rpartition("/")[0] for record in records}
        self.folders: set[ModuleName] = {package for folder in folders for package in _packages_along(folder)}
        for record in records:
            if not record.endswith(".py"):
                continue
            module = module_of_record(record)
            if module is None:
                continue
            name, is_package = module
            if is_package:
                self._regular.add(name)
            if is_package or name not in self._regular:
                sources[name] = record
        self.sources: Mapping[str, str] = sources

    def source(self, name: str) -> str | None:
        """Return the record with the source of the module `name`, None where it has none."""
        record, package = self.sources.get(name), package_of_init(name)
        if record is None and package is not None and package in self._regular:
            record = self.sources[package]
        return record

    def is_package(self, name: str) -> bool:
        """Whether `name` is a package, with a source or without."""
        return name in self._regular or self.is_namespace(name)

    def is_namespace(self, name: str) -> bool:
        """Whether `name` is a folder without ``__init__.py``, and no module stands beside it."""
        return name in self.folders and name not in self.sources

    def children(self, package: str) -> list[str]:
        """Return the last parts of the names directly below `package` ("" for the top), sorted."""
        return sorted(self._children.get(package, ()))

    @cached_property
    def above_sources(self) -> Collection[str]:
        """The packages that some module with a source lies in, however deep."""
        return {parent for name in self.sources for parent in parents_of(name)}

    @cached_property
    def _children(self) -> Mapping[str, set[str]]:
        children: dict[str, set[str]] = {}
        for name in (*self.sources, *self.folders):
            parent, _, last = name.rpartition(".")
            if last != "__init__":
                children.setdefault(parent, set()).add(last)
        return children


def _packages_along(folder: str) -> Iterator[ModuleName]:
    """The packages that a folder and those above it are, as far down as a dotted name reaches."""
    name = ""
    for part in folder.split("/") if folder else ():
        if "." in part or not is_module_name(part):
            return
        name = f"{name}.{part}" if name else part
        yield ModuleName(name)
