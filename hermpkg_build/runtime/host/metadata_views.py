"""importlib.metadata for packaged code: finds packed distributions, which need not be installed."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hermpkg_build.archive.layout import license_record_name
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.module_names import top_of
from hermpkg_build.runtime.contents.checks import read_manifest
from hermpkg_build.runtime.host.importlib_views import run_in_package
from hermpkg_build.runtime.importing.imports import import_module
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace

_FOLDER = re.compile(r"(?P<name>[^/-]+)-[^/]*\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)")


class PackedDistribution(importlib.metadata.Distribution):
    """A distribution packed with its modules; its metadata lie in the folder `folder` of the artifact."""

    def __init__(self, space: ModuleSpace, folder: str, entry_point: Callable[..., Any]) -> None:
        self._archive = space.archive
        self._folder = folder
        self._entry_point = entry_point

    @property
    def entry_points(self) -> Any:
        """The entry points; they load packed modules."""
        points = super().entry_points
        kind: Any = type(points)
        return kind(self._entry_point(point.name, point.value, point.group)._for(self) for point in points)

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        """Read a metadata file or licence file; None where the artifact has none of that name."""
        from hermpkg_build.runtime.contents.resources import ArchivePath

        record = f"{self._folder}/{filename}"
        name = self._folder.partition("-")[0]
        for place in (record, license_record_name(normalised(name), record)):
            if self._archive.has(place):
                return ArchivePath(self._archive, place).read_text()
        return None

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        """Give the place of a file of the distribution in the artifact."""
        from hermpkg_build.runtime.contents.resources import ArchivePath

        return ArchivePath(self._archive, "").joinpath(path)


def metadata_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces functions of importlib.metadata or its backport: packed distributions come first."""

    class EntryPoint(host.EntryPoint):  # type: ignore[misc]
        def load(self) -> Any:
            attributes = (self.attr or "").split(".") if self.attr else []
            return functools.reduce(getattr, attributes, import_module(space, self.module))

    packed = {
        normalised(match["name"]): PackedDistribution(space, record.rpartition("/")[0], EntryPoint)
        for record in space.archive.names()
        if (match := _FOLDER.fullmatch(record))
    }

    def distribution(distribution_name: str) -> Any:
        return packed.get(normalised(distribution_name)) or host.distribution(distribution_name)

    def asking(attribute: str) -> Callable[[str], Any]:
        def ask(distribution_name: str) -> Any:
            return getattr(distribution(distribution_name), attribute)

        return ask

    def distributions(**options: Any) -> Iterator[Any]:
        if "path" not in options and "context" not in options:
            name = options.get("name")
            yield from [found for own, found in packed.items() if name is None or normalised(name) == own]
        for found in host.distributions(**options):
            if not packed or _name_of(found) not in packed:
                yield found

    def packages_distributions() -> Mapping[str, list[str]]:
        return {**host.packages_distributions(), **_packed_tops(space, packed)}

    functions = [
        function for function in (distributions, packages_distributions) if hasattr(host, function.__name__)
    ]
    own = {function.__name__: function for function in functions}
    return {
        "distribution": distribution,
        **{name: asking(name) for name in ("version", "metadata", "requires", "files")},
        **own,
        **run_in_package(space, host, ["entry_points"], own),
    }


def _packed_tops(space: ModuleSpace, packed: Mapping[str, PackedDistribution]) -> Mapping[str, list[str]]:
    """Map packed top-level modules to distributions, as far as the manifest knows them."""
    manifest = read_manifest(space.archive)
    tops: dict[str, set[str]] = {}
    for name, module in (manifest.modules if manifest is not None else {}).items():
        found = packed.get(normalised(module.distribution))
        if found is not None and space.tree.role(name) is ModuleRole.SOURCE:
            tops.setdefault(top_of(name), set()).add(found.metadata["Name"])
    return {top: sorted(names) for top, names in tops.items()}


def _name_of(distribution: Any) -> str:
    """The normalised name, which distributions of the standard library know without reading metadata."""
    return normalised(getattr(distribution, "_normalized_name", "") or distribution.metadata["Name"] or "")
