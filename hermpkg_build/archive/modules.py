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
    record_of_module,
)


class PackedModules:
    """The modules and packages that the records named `records` hold.

    A folder without ``__init__.py`` is a namespace package, whatever lies in it. Of ``a.py`` beside
    ``a/__init__.py`` the package counts. As in Python, ``a.__init__`` is a module with the package's source.

    There may be very many: one module is found without a look at the others.
    """

    def __init__(self, records: Iterable[str]) -> None:
        self._records: dict[str, None] = dict.fromkeys(records)
        self._known: dict[str, str | None] = {}

    @cached_property
    def folders(self) -> set[ModuleName]:
        """The dotted names of all folders that have one."""
        folders = {record.rpartition("/")[0] for record in self._records}
        return {package for folder in folders for package in _packages_along(folder)}

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The records of all modules, by dotted name."""
        modules = ((module_of_record(record), record) for record in self._records)
        return {found[0]: record for found, record in modules if found and self._own(found[0]) == record}

    def source(self, name: str) -> str | None:
        """Return the record with the source of the module `name`, None where it has none."""
        package = None if (own := self._own(name)) else package_of_init(name)
        return self._found(package, True) if package else own

    def _own(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = self._found(name, True) or self._found(name, False)
        return self._known[name]

    def _found(self, name: str, is_package: bool) -> str | None:
        record = record_of_module(name, is_package)
        return record if record in self._records and module_of_record(record) == (name, is_package) else None

    def is_package(self, name: str) -> bool:
        """Whether `name` is a package, with a source or without."""
        return self._own(name) == record_of_module(name, True) or self.is_namespace(name)

    def is_namespace(self, name: str) -> bool:
        """Whether `name` is a folder without ``__init__.py``, and no module stands beside it."""
        return name in self.folders and self._own(name) is None

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
