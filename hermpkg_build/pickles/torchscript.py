"""TorchScript beside a pickle: torch writes an archive of its own, whose records go into the artifact."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any

from hermpkg_build.archive.layout import DATA
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass

_CODE = f"{DATA}ts_code/"
_STORAGE = ".storage"
_SOURCE = ".py"
_CONSTANT = re.compile(rb"  \w+ : Final\[")
_SOURCE_PLACES = ".debug_pkl"
"""Records that say which source each line comes from, with paths of the machine; only messages use them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchScriptRecord:
    """A record that torch wrote: `storage` is the number of a tensor storage, None for code and constants."""

    name: str
    content: Content
    digest: Digest
    crc32: int
    storage: int | None


def _with_sorted_constants(source: bytes) -> bytes:
    """`source` with the constants of each class sorted: torch has them in the order of a hash table."""
    groups = groupby(source.splitlines(keepends=True), lambda line: _CONSTANT.match(line) is not None)
    return b"".join(
        line for is_constant, lines in groups for line in (sorted(lines) if is_constant else lines)
    )


class TorchScript:
    """A ScriptModuleSerializer with the archive that it writes to.

    ``__reduce_package__`` of TorchScript modules uses `serializer` and `storage_context`. Storages are
    numbered by the context, so that modules of both kinds share them.
    """

    def __init__(self) -> None:
        import tempfile

        import torch

        self._file: IO[bytes] = tempfile.NamedTemporaryFile(prefix=".hermpkg-", suffix=".pt")  # noqa: SIM115
        self._writer = torch._C.PyTorchFileWriter(self._file.name)
        self._writer.set_min_version(6)
        self.serializer: Any = torch._C.ScriptModuleSerializer(self._writer)
        self.storage_context: Any = self.serializer.storage_context()
        self._is_finished = False

    def has(self, storage: Any) -> bool:
        """Whether a torch.UntypedStorage has a number."""
        return bool(self.storage_context.has_storage(storage))

    def enter(self, storage: Any) -> int:
        """The number of a torch.UntypedStorage, a new one where it had none."""
        return int(self.storage_context.get_or_add_storage(storage))

    def finish(self) -> None:
        """Have torch write the rest; after this, nothing more can be serialized."""
        if not self._is_finished:
            self._is_finished = True
            self.serializer.write_files()
            self._writer.write_end_of_file()

    def records(self) -> Iterator[TorchScriptRecord]:
        """The records that torch wrote: code, constants, and the storages that no pickle had before.

        There are none before `finish`.
        """
        if not self._is_finished:
            return
        with ArchiveReader(self._file.name) as archive:
            for name in archive.names():
                is_storage = name.startswith(DATA) and name.endswith(_STORAGE)
                if not is_storage and (not name.startswith(_CODE) or name.endswith(_SOURCE_PLACES)):
                    continue
                entry, data = archive.entry(name), archive.view(name)
                content: Content = FileSlice(path=self._file.name, offset=entry.offset, size=entry.size)
                crc32 = entry.crc32
                if name.endswith(_SOURCE) or not entry.is_stored:
                    content = _with_sorted_constants(bytes(data)) if name.endswith(_SOURCE) else bytes(data)
                    data, crc32 = memoryview(content), zlib.crc32(content)
                yield TorchScriptRecord(
                    name=name,
                    content=content,
                    digest=Digest.of(data),
                    crc32=crc32,
                    storage=int(name[len(DATA) : -len(_STORAGE)]) if is_storage else None,
                )

    def close(self) -> None:
        """Drop the archive."""
        self._file.close()
