"""Adds files to a source distribution that is made already."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterable

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.wheels.builds import WheelError


def add_to_source_archive(path: str, target: str, project: str, files: Iterable[str]) -> None:
    """Write the source distribution `path` anew as `target`, with `files`: relative paths in the `project`.

    Files that it has already stay as they are there, and the folder of built artifacts is left out. Raises
    WheelError, OSError.
    """
    try:
        with (
            tarfile.open(path, "r:gz") as old,
            open(target, "wb") as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=_time_of(path)) as packed,
            tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as new,
        ):
            _copy(old, new, project, files)
    except tarfile.TarError as error:
        raise WheelError(
            "the source distribution is no .tar.gz", facts=[("file", path), ("reason", str(error))]
        ) from None


def _copy(old: tarfile.TarFile, new: tarfile.TarFile, project: str, files: Iterable[str]) -> None:
    members = old.getmembers()
    tops = {member.name.partition("/")[0] for member in members}
    if len(tops) != 1:
        raise WheelError("the source distribution has no folder of its own")
    (top,) = tops
    outputs = f"{top}/{OUTPUT_FOLDER}/"
    for member in members:
        if not f"{member.name}/".startswith(outputs):
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    time = max(member.mtime for member in members)
    for name in sorted({f"{top}/{file}" for file in files} - {member.name for member in members}):
        source = os.path.join(project, name.removeprefix(f"{top}/"))
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime = os.path.getsize(source), time
        entry.mode = 0o755 if os.access(source, os.X_OK) else 0o644
        with open(source, "rb") as data:
            new.addfile(entry, data)


def _time_of(path: str) -> int:
    """Return the time in the header of a gzip file."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(8)[4:], "little")
