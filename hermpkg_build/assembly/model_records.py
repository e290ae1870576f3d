"""The records of model objects: pickles and storages, renumbered where an artifact has several models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.archive.layout import storage_record_name
from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.assembly.parts import Part
from hermpkg_build.assembly.record_contents import Contents, content_bytes, content_path
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import ManifestModel, RecordKind
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import AnalysisError
from hermpkg_build.factories.request import ModelObject, SavedRecord
from hermpkg_build.pickles.pickled import StoredStorage
from hermpkg_build.pickles.storage_numbers import renumber_storages


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """A model object to be packed, and what the manifest says of it."""

    model: ModelObject
    origin: ManifestModel


def model_parts(models: Mapping[str, PackedModel], content: Contents) -> Iterator[Part]:
    """Make the pickles and storages of `models`, which go by the record of their pickle.

    Storages are numbered in the order of these names, those that TorchScript knows by number first. Equal
    storages of two models stay two records: with one, a change to a tensor of one model would show in the
    other. Records that objects of a model saved beside it are there once for each label.
    Raises AnalysisError for two models with TorchScript, LostContentError for content that the cache has
    lost, ActionError for a damaged model object.
    """
    _check_torchscript(models)
    first_key = 0
    saved: dict[str, Part] = {}
    labels: set[str] = set()
    order = sorted(models.items(), key=lambda item: (not item[1].model.beside.has_torchscript, item[0]))
    for name, packed in order:
        model = packed.model
        cause = f"the model {packed.origin.label}"
        keys = range(first_key, first_key + len(model.storages))
        main = SavedRecord(
            name=name, kind=RecordKind.PICKLE, digest=model.pickle, key_offsets=model.key_offsets
        )
        yield _record_part(main, keys, content, cause)
        for record in model.beside.records if packed.origin.label not in labels else ():
            part = _record_part(record, keys, content, cause)
            # Models may save the same text under one name; another one's is told as a clash of names.
            if saved.setdefault(part.name, part).digest != part.digest or saved[part.name] is part:
                yield part
        labels.add(packed.origin.label)
        for key, storage in zip(keys, model.storages, strict=True):
            path = content_path(content, storage.digest, needed_for=cause)
            slice_ = FileSlice(path=path, size=storage.digest.size)
            yield storage_part(key, slice_, storage, cause)
        first_key += len(model.storages)


def _check_torchscript(models: Mapping[str, PackedModel]) -> None:
    """Check that only one model has TorchScript, whose classes are named for one serializer alone."""
    scripted = sorted(name for name, packed in models.items() if packed.model.beside.has_torchscript)
    if len(scripted) > 1:
        raise AnalysisError(
            "an artifact holds TorchScript of one model only",
            facts=[
                ("pickles", "\n".join(f"{name} of {models[name].origin.label}" for name in scripted)),
                ("reason", "torch writes the classes of all TorchScript at once, under names of its own"),
            ],
            next_step="make one model of them, whose factory returns a dict, or a package for each",
        )


def _record_part(record: SavedRecord, keys: Sequence[int], content: Contents, cause: str) -> Part:
    """Make the part of a record of a model, with its storages numbered by `keys`."""
    digest = record.digest
    data: Content
    if record.kind is RecordKind.PICKLE:
        data = content_bytes(content, digest, needed_for=cause)
        if keys and keys[0]:
            data = renumber_storages(data, record.key_offsets, keys)
            digest = Digest.of(data)
    else:
        path = content_path(content, digest, needed_for=cause)
        data = FileSlice(path=path, size=digest.size, digest=digest)
    return Part(name=record.name, kind=record.kind, content=data, digest=digest, cause=cause)


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
