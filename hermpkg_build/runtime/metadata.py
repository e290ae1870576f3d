"""Metadata of packed distributions, which are not installed where the artifact is loaded."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from hermpkg_build.runtime.opening import Archive
    from hermpkg_build.runtime.space import ModuleSpace

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
        from hermpkg_build.runtime.resources import ArchivePath

        return ArchivePath(self._archive, "").joinpath(path)


def metadata_functions(space: ModuleSpace, host: Any) -> Mapping[str, Any]:
    """The functions of importlib.metadata (or its backport) that take the name of a distribution.

    What the artifact packed stands before what is installed.
    """
    packed = {
        _normalised(match["name"]): record.rpartition("/")[0]
        for record in space.archive.names()
        if (match := _FOLDER.fullmatch(record))
    }

    def distribution(distribution_name: str) -> Any:
        folder = packed.get(_normalised(distribution_name))
        if folder is None:
            return host.distribution(distribution_name)
        return PackedDistribution(space.archive, folder)

    def asking(attribute: str) -> Callable[[str], Any]:
        def ask(distribution_name: str) -> Any:
            return getattr(distribution(distribution_name), attribute)

        return ask

    return {
        "distribution": distribution,
        **{name: asking(name) for name in ("version", "metadata", "requires", "files")},
    }


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
