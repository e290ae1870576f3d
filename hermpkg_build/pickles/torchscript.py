"""TorchScript beside a pickle: torch writes an archive of its own, whose records go into the artifact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from hermpkg_build.archive.layout import DATA
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass

_CODE = f"{DATA}ts_code/"
_STORAGE = ".storage"
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
                entry = archive.entry(name)
                yield TorchScriptRecord(
                    name=name,
                    content=FileSlice(path=self._file.name, offset=entry.offset, size=entry.size)
                    if entry.is_stored
                    else archive.read(name),
                    digest=Digest.of(archive.view(name)),
                    crc32=entry.crc32,
                    storage=int(name[len(DATA) : -len(_STORAGE)]) if is_storage else None,
                )

    def close(self) -> None:
        """Drop the archive."""
        self._file.close()
