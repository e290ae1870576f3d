"""Compares the layouts of two archives: order, compression, alignment, foreign bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from hermpkg_build.archive.reader import ArchiveReader, Entry

_ALIGNMENT = 64
_UNUSUAL: Mapping[str, Callable[[Entry], bool]] = {
    "are compressed": lambda entry: not entry.is_stored,
    "are not aligned to 64 bytes": lambda entry: entry.is_stored and entry.offset % _ALIGNMENT != 0,
}


def compare_layouts(a: ArchiveReader, b: ArchiveReader) -> Iterator[str]:
    """Return sentences on how the files differ apart from the contents of their records."""
    common = [name for name in a.names() if b.has(name)]
    if common != [name for name in b.names() if a.has(name)]:
        yield "the records are in another order"
    for what, differs in _UNUSUAL.items():
        counts = [sum(differs(reader.entry(name)) for name in common) for reader in (a, b)]
        if counts[0] != counts[1]:
            yield f"{counts[0]} records {what} in {a.name}, {counts[1]} in {b.name}"
    for reader in (a, b):
        if reader.prefix:
            yield f"{reader.name} has {reader.prefix} foreign bytes before the archive"
        for name in reader.duplicates:
            yield f"{reader.name} holds {name} more than once"
        for name in reader.strays:
            yield f"{reader.name} holds {name} outside of its root folder"
