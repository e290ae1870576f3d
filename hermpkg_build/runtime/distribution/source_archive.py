"""Archives of the same bytes: entries by name, no times, owners and modes of whoever makes them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NO_TIME = 315532800
"""The time of all files where SOURCE_DATE_EPOCH says no other: 1980, the first that a ZIP can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in an archive."""

    content: bytes
    is_program: bool = False


def released_at() -> int:
    """Return the time that files are to have, in seconds since 1970."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", NO_TIME))


def write_archive(entries: Mapping[str, Entry], target: Path) -> None:
    """Write a .tar.gz of files by their paths, aside and then in the place of the target."""
    written = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=released_at()) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, entry in sorted(entries.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(entry.content), released_at()
            member.mode = 0o755 if entry.is_program else 0o644
            archive.addfile(member, io.BytesIO(entry.content))
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.write_bytes(written.getvalue())
    aside.replace(target)


def normalise_archive(path: Path) -> None:
    """Write an archive that setuptools made anew, as the same checkout always gives it."""
    entries = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                entries[member.name] = Entry(content=file.read())
    write_archive(entries, path)
