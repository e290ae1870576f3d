"""Reads the pickles of an artifact as data, each once however many ask for it."""

from __future__ import annotations

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.pickles.reading.nodes import PickleContents, contents_of_pickle


class PickleRecords:
    """The records of one archive that are read as pickles; what was read is kept as long as this is."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive
        self._read: dict[str, PickleContents] = {}

    def read(self, record: str) -> PickleContents:
        """Read a record as far as it makes sense. Raises ArchiveError where its bytes are damaged."""
        contents = self._read.get(record)
        if contents is None:
            contents = self._read[record] = contents_of_pickle(self._archive.read(record))
        return contents
