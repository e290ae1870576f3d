"""Model objects as records: pickles and storages, numbered anew where several models share an artifact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.archive.layout import storage_record_name
from hermpkg_build.archive.records import FileSlice
from hermpkg_build.assembly.contents import content_bytes, content_path
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.errors import ActionError

if TYPE_CHECKING:
    from hermpkg_build.factories.request import ModelObject
    from hermpkg_build.store.content import ContentStore

_BININT = b"J"
_MOST_STORAGES = 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """A model object on its way into an artifact, with the target and factory it comes from."""

    model: ModelObject
    label: str
    factory: str


def model_parts(models: Mapping[str, PackedModel], content: ContentStore) -> Iterator[Part]:
    """The pickles and storages of `models`, which are given by the record of their pickle.

    Storages are numbered through in the order of these names. Equal storages of two models stay
    two records: sharing one would make one model's tensors the other's.
    Raises LocalEnvironmentError for content that the cache has lost, ActionError for a model
    object that contradicts itself.
    """
    first_key = 0
    for name, packed in sorted(models.items()):
        model = packed.model
        cause = f"the model {packed.label}"
        data = content_bytes(content, model.pickle, needed_for=cause)
        if first_key:
            data = renumber_storages(data, model.key_offsets, first_key)
            digest = Digest.of(data)
        else:
            digest = model.pickle
        yield Part(name=name, kind=RecordKind.PICKLE, content=data, digest=digest, cause=cause)
        for key, storage in enumerate(model.storages, first_key):
            path = content_path(content, storage.digest, needed_for=cause)
            yield Part(
                name=storage_record_name(key),
                kind=RecordKind.STORAGE,
                content=FileSlice(path=path, size=storage.digest.size),
                digest=storage.digest,
                crc32=storage.crc32,
                cause=f"a tensor of {cause}",
            )
        first_key += len(model.storages)


def renumber_storages(data: bytes, key_offsets: Sequence[tuple[int, int]], first_key: int) -> bytes:
    """The pickle `data` with its storage keys counted from `first_key` instead of 0.

    Each (offset, key) of `key_offsets` is where the four little-endian bytes of a BININT opcode
    hold a key. Raises ActionError where they do not, or where a key grows too large for them.
    """
    patched = bytearray(data)
    for offset, key in key_offsets:
        new = key + first_key
        expected = _BININT + key.to_bytes(4, "little", signed=True)
        if offset < 1 or patched[offset - 1 : offset + 4] != expected:
            raise ActionError(
                "a model object is damaged: its pickle holds no storage key where its table says so",
                facts=[("offset", str(offset)), ("key", str(key))],
                next_step="remove the cache (hermpkg clean) and build again",
            )
        if new > _MOST_STORAGES:
            raise ActionError(f"an artifact holds at most {_MOST_STORAGES + 1} tensor storages")
        patched[offset : offset + 4] = new.to_bytes(4, "little", signed=True)
    return bytes(patched)
