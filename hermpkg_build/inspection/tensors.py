"""Lists the tensors of an artifact by name, read out of its pickles as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.dataclass import dataclass
from hermpkg_build.inspection.contents import begins_like_pickle, kind_of_record
from hermpkg_build.inspection.pickle_records import PickleRecords
from hermpkg_build.pickles.reading.named_tensors import NamedTensor, named_tensors
from hermpkg_build.pickles.reading.tensors import ELEMENT_SIZES

UNKNOWN_LAYOUT = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """One tensor.

    `name` is its key in a state dict, or the path to it, and `also` the other names of the same tensor.
    `shape` is None where only its storage is known. `bytes` are those of its elements, `storage` the record
    that they are in, of `storage_bytes`; `in_storage` counts the tensors that are in this storage, this one
    included.
    """

    name: str
    also: tuple[str, ...]
    pickle: str
    dtype: str
    shape: tuple[int, ...] | None
    bytes: int
    storage: str
    storage_bytes: int
    in_storage: int

    @property
    def form(self) -> str:
        """Type and shape: ``float32[64, 3, 7, 7]``."""
        shape = UNKNOWN_LAYOUT if self.shape is None else ", ".join(map(str, self.shape))
        return f"{self.dtype}[{shape}]"

    @property
    def sharing(self) -> str:
        """What it shares, in a few words; "" for nothing."""
        words = [f"also {', '.join(self.also)}"] if self.also else []
        if self.in_storage > 1:
            words.append(f"in one storage with {self.in_storage - 1} more")
        return "; ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTensors:
    """The tensors of an artifact, in the order of its pickles.

    `unnamed` are storages that no pickle names, and `unread` the records of pickles that make no sense or
    unpack to too much.
    """

    tensors: tuple[TensorFacts, ...]
    unnamed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def tensors_of_archive(
    archive: ArchiveReader, manifest: Manifest | None, pickles: PickleRecords | None = None
) -> ArchiveTensors:
    """List the tensors of `archive`; of storages only the size is read. Raises ArchiveError.

    The error is of damaged pickles, or of a storage whose place in the file is. What `pickles` of the same
    archive have read is not read again.
    """
    pickles = pickles or PickleRecords(archive)
    found: list[tuple[str, NamedTensor]] = []
    unread: list[str] = []
    sizes: dict[str, int] = {}
    for name in sorted(archive.names()):
        kind = kind_of_record(manifest, name)
        if kind == RecordKind.STORAGE:
            sizes[name] = archive.size(name)
        # Without a manifest only a usual name tells a pickle, and it may have another.
        is_named = kind == RecordKind.PICKLE
        if not is_named and (manifest is not None or not begins_like_pickle(archive, name)):
            continue
        root = None if archive.entry(name).is_inflated else pickles.read(name).root
        if root is not None:
            found += [(name, tensor) for tensor in named_tensors(root, name)]
        elif is_named:
            unread.append(name)
    users = Counter(tensor.storage.record for _, tensor in found)
    return ArchiveTensors(
        tensors=tuple(_facts(pickle, tensor, sizes, users) for pickle, tensor in found),
        unnamed=tuple(sorted(sizes.keys() - users.keys())),
        unread=tuple(unread),
    )


def largest(tensors: Iterable[TensorFacts]) -> list[TensorFacts]:
    """Sort tensors, the largest first; those of one size in the order that they have."""
    return sorted(tensors, key=lambda tensor: -tensor.bytes)


def _facts(pickle: str, named: NamedTensor, sizes: dict[str, int], users: Counter[str]) -> TensorFacts:
    storage, tensor = named.storage, named.tensor
    stored = sizes.get(storage.record, 0)
    taken = stored
    if tensor is not None:
        size = ELEMENT_SIZES.get(tensor.dtype) or stored // max(1, storage.count)
        # Of an expanded tensor several elements are one in the storage.
        taken = min(stored, prod(tensor.shape) * size)
    return TensorFacts(
        name=named.names[0],
        also=named.names[1:],
        pickle=pickle,
        dtype=(tensor or storage).dtype,
        shape=None if tensor is None else tensor.shape,
        bytes=taken,
        storage=storage.record,
        storage_bytes=stored,
        in_storage=users[storage.record],
    )
