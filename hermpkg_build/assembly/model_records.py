"""The records of model objects: pickles and storages, renumbered where an artifact has several models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.archive.layout import storage_record_name
from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.assembly.parts import Part
from hermpkg_build.assembly.record_contents import Contents, content_bytes, content_path
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import ManifestModel, RecordKind
from hermpkg_build.errors import ActionError
from hermpkg_build.pickles.opcodes import encode_storage_key
from hermpkg_build.pickles.pickled import StoredStorage

if TYPE_CHECKING:
    from hermpkg_build.factories.request import ModelObject

_MOST_STORAGES = 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """A model object to be packed, and what the manifest says of it."""

    model: ModelObject
    origin: ManifestModel


def model_parts(models: Mapping[str, PackedModel], content: Contents) -> Iterator[Part]:
    """Make the pickles and storages of `models`, which go by the record of their pickle.

    Storages are numbered in the order of these names. Equal storages of two models stay two records: with
    one, a change to a tensor of one model would show in the other.
    Raises LostContentError for content that the cache has lost, ActionError for a damaged model object.
    """
    first_key = 0
    for name, packed in sorted(models.items()):
        model = packed.model
        cause = f"the model {packed.origin.label}"
        data = content_bytes(content, model.pickle, needed_for=cause)
        if first_key:
            keys = range(first_key, first_key + len(model.storages))
            data = renumber_storages(data, model.key_offsets, keys)
            digest = Digest.of(data)
        else:
            digest = model.pickle
        yield Part(name=name, kind=RecordKind.PICKLE, content=data, digest=digest, cause=cause)
        for key, storage in enumerate(model.storages, first_key):
            path = content_path(content, storage.digest, needed_for=cause)
            part = FileSlice(path=path, size=storage.digest.size)
            yield storage_part(key, part, storage, cause)
        first_key += len(model.storages)


def storage_part(key: int, content: Content, stored: StoredStorage, cause: str) -> Part:
    """Make the record of the tensor storage with the number `key`, whose bytes are `content`."""
    return Part(
        name=storage_record_name(key),
        kind=RecordKind.STORAGE,
        content=content,
        digest=stored.digest,
        crc32=stored.crc32,
        cause=f"a tensor of {cause}",
    )


def renumber_storages(data: bytes, key_offsets: Sequence[tuple[int, int]], keys: Sequence[int]) -> bytes:
    """Return the pickle `data` with ``keys[k]`` in place of each storage key k.

    Each (offset, k) of `key_offsets` is a key and the offset of its four little-endian bytes, the argument
    of a BININT opcode. Raises ActionError where the pickle has no such key there, or a new key needs more
    bytes.
    """
    patched = bytearray(data)
    for offset, key in key_offsets:
        if offset < 1 or key >= len(keys) or data[offset - 1 : offset + 4] != encode_storage_key(key):
            raise ActionError(
                "a model object is damaged: its pickle has no storage key where its table says so",
                facts=[("offset", str(offset)), ("key", str(key))],
                next_step="remove the cache (hermpkg clean) and build again",
            )
        if keys[key] > _MOST_STORAGES:
            raise ActionError(f"an artifact holds at most {_MOST_STORAGES + 1} tensor storages")
        patched[offset - 1 : offset + 4] = encode_storage_key(keys[key])
    return bytes(patched)
