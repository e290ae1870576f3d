"""Metadata of packed distributions, which are not installed where the artifact is loaded."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.runtime.contents.checks import read_manifest
from hermpkg_build.runtime.importing.imports import import_module
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace

if TYPE_CHECKING:
    import os

    from hermpkg_build.runtime.contents.archives import Archive

_FOLDER = re.compile(r"(?P<name>[^/-]+)-[^/]*\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)")


class PackedDistribution(importlib.metadata.Distribution):
    """A distribution whose metadata lie in the folder `folder` of an archive."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self._archive = archive
        self._folder = folder

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        """The text of a metadata file, None where the archive has none of that name."""
        record = f"{self._folder}/{filename}"
        return self._archive.read(record).decode() if self._archive.has(record) else None

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        """The place of a file of the distribution inside of the archive."""
        from hermpkg_build.runtime.contents.resources import ArchivePath

        return ArchivePath(self._archive, "").joinpath(path)


def metadata_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """The functions of importlib.metadata (or its backport).

    What the artifact packed stands before what is installed. Entry points of packed distributions load
    packed modules.
    """
    packed = {
        normalised(match["name"]): record.rpartition("/")[0]
        for record in space.archive.names()
        if (match := _FOLDER.fullmatch(record))
    }

    def distribution(distribution_name: str) -> Any:
        folder = packed.get(normalised(distribution_name))
        if folder is None:
            return host.distribution(distribution_name)
        return PackedDistribution(space.archive, folder)

    def asking(attribute: str) -> Callable[[str], Any]:
        def ask(distribution_name: str) -> Any:
            return getattr(distribution(distribution_name), attribute)

        return ask

    def distributions(**options: Any) -> Iterator[Any]:
        if "path" not in options and "context" not in options:
            name = options.get("name")
            for own, folder in packed.items():
                if name is None or normalised(name) == own:
                    yield PackedDistribution(space.archive, folder)
        for found in host.distributions(**options):
            if _name_of(found) not in packed:
                yield found

    def entry_points(**options: Any) -> Any:
        points = [point for folder in packed.values() for point in _entry_points(space, host, folder)]
        # Without distributions that are installed as well, and those that stand later on the path.
        others: dict[str, Any] = {}
        for found in host.distributions():
            name = _name_of(found)
            if name not in packed:
                others.setdefault(name, found)
        points += [point for found in others.values() for point in found.entry_points]
        if not options and hasattr(host, "SelectableGroups"):
            return host.SelectableGroups.load(points).select()
        return host.EntryPoints(points).select(**options)

    def packages_distributions() -> Mapping[str, list[str]]:
        return {**host.packages_distributions(), **_packed_tops(space, packed)}

    functions = (distributions, entry_points, packages_distributions)
    return {
        "distribution": distribution,
        **{name: asking(name) for name in ("version", "metadata", "requires", "files")},
        **{function.__name__: function for function in functions if hasattr(host, function.__name__)},
    }


def _entry_points(space: ModuleSpace, host: Any, folder: str) -> Iterator[Any]:
    """The entry points of a packed distribution."""

    class EntryPoint(host.EntryPoint):  # type: ignore[misc]
        def load(self) -> Any:
            attributes = (self.attr or "").split(".") if self.attr else []
            return functools.reduce(getattr, attributes, import_module(space, self.module))

    packed = PackedDistribution(space.archive, folder)
    for point in packed.entry_points:
        yield EntryPoint(name=point.name, value=point.value, group=point.group)._for(packed)


def _packed_tops(space: ModuleSpace, packed: Mapping[str, str]) -> Mapping[str, list[str]]:
    """The distributions of packed top-level modules, as far as the manifest knows them."""
    manifest = read_manifest(space.archive)
    tops: dict[str, set[str]] = {}
    for name, module in (manifest.modules if manifest is not None else {}).items():
        folder = packed.get(normalised(module.distribution))
        if folder is not None and space.tree.role(name) is ModuleRole.SOURCE:
            distribution = PackedDistribution(space.archive, folder)
            tops.setdefault(name.partition(".")[0], set()).add(distribution.metadata["Name"])
    return {top: sorted(names) for top, names in tops.items()}


def _name_of(distribution: Any) -> str:
    """The normalised name: the standard library's own knows it without reading the metadata."""
    return normalised(getattr(distribution, "_normalized_name", "") or distribution.metadata["Name"] or "")
