"""Where the storages of an archive lie before it is written."""

from __future__ import annotations

from typing import final

from hermpkg_build.archive.layout import storage_record_name
from hermpkg_build.archive.plan import LAYOUT, Placed, local_header


@final
class StoragePlaces:
    """Tells where the storages of an archive lie, which is known before all else, as they are its start."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._count = 0
        self._end = 0

    def place(self, size: int) -> int:
        """Return the offset of the next storage, which has `size` bytes."""
        # A root that cannot be one is told when the archive is written.
        name = f"{self._root}/{storage_record_name(self._count)}".encode(errors="surrogatepass")
        alignment = LAYOUT.alignment_of(size)
        placed = Placed(name=name, size=size, crc32=0, offset=self._end, alignment=alignment)
        offset = self._end + len(local_header(placed))
        self._count += 1
        self._end = offset + size
        return offset
