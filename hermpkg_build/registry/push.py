"""Pushes an artifact to a registry: the layers that are not there, then the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.registry.layers import Layer, split_archive
from hermpkg_build.registry.manifest import CONFIG_TYPE, MANIFEST_TYPE, MODEL_TYPE, Descriptor, Manifest
from hermpkg_build.registry.progress import Progress
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.referrers import Attachment, attach
from hermpkg_build.registry.repository import Repository
from hermpkg_build.registry.server import Connection
from hermpkg_build.remote.concurrently import all_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did: `reference` has the digest of the manifest, `file` is the artifact's own.

    `moved` of the `layers` had to travel, with `moved_bytes` together; `attached` are the names of what came
    with it.
    """

    reference: Reference
    file: Digest
    layers: int
    moved: int
    moved_bytes: int
    attached: Sequence[str] = ()


def push(
    path: str,
    reference: Reference,
    connection: Connection,
    *,
    mount_from: str = "",
    attachments: Sequence[Attachment] = (),
    progress: Progress | None = None,
) -> Pushed:
    """Store the archive at `path` under the tag of a reference, and `attachments` as what refers to it.

    Layers that the repository `mount_from` of the same registry has are taken from there. `progress` is told
    of those that travel.
    Raises ArchiveError where the file is no archive, ActionError where it changes meanwhile, RemoteError.
    """
    split = split_archive(path)
    config = _config(reference, split.layers)
    manifest = Manifest(
        artifact_type=MODEL_TYPE,
        config=Descriptor(media_type=CONFIG_TYPE, digest=Digest.of(config)),
        layers=[layer.descriptor for layer in split.layers],
    ).to_bytes()
    subject = Descriptor(media_type=MANIFEST_TYPE, digest=Digest.of(manifest), artifact_type=MODEL_TYPE)
    others = [mount_from] if mount_from else []
    with Repository(reference, connection, writes=True, others=others) as repository:
        # Equal layers are stored once.
        layers = {layer.descriptor.digest: layer for layer in split.layers}
        has = all_of(*(partial(repository.has_blob, digest) for digest in layers))
        missing = [layer for layer, there in zip(layers.values(), has, strict=True) if not there]
        told = progress or Progress()
        told.planned(layer.descriptor.digest for layer in missing)
        moved = all_of(*(partial(_put, repository, layer, mount_from, told) for layer in missing))
        repository.put_bytes(config)
        repository.put_manifest(reference.tag or f"sha256:{subject.digest.hash}", manifest)
        attached = [attach(repository, subject, attachment) for attachment in attachments]
    travelled = [layer.descriptor.digest.size for layer, did in zip(missing, moved, strict=True) if did]
    return Pushed(
        reference=reference.pinned(subject.digest.hash),
        file=split.file,
        layers=len(layers),
        moved=len(travelled),
        moved_bytes=sum(travelled),
        attached=attached,
    )


def _put(repository: Repository, layer: Layer, mount_from: str, progress: Progress) -> bool:
    digest = layer.descriptor.digest
    reached = partial(progress.reached, digest)
    did = repository.put_blob(
        digest, lambda offset: _from(layer.chunks(), offset, reached), mount_from=mount_from
    )
    reached(digest.size)
    return did


def _from(chunks: Iterable[Bytes], offset: int, reached: Callable[[int], None]) -> Iterator[Bytes]:
    """Give what is behind the first `offset` bytes; `reached` is told how far it is."""
    position = 0
    for chunk in chunks:
        reached(position)
        position += len(chunk)
        skipped = min(offset, len(chunk))
        offset -= skipped
        if skipped < len(chunk):
            yield memoryview(chunk)[skipped:]


def _config(reference: Reference, layers: Sequence[Layer]) -> bytes:
    """What ModelPack's tools show of the model; without a time: equal artifacts have equal digests."""
    return dumps(
        {
            "descriptor": {"name": reference.name},
            "config": {"format": "torch.package"},
            "modelfs": {
                "type": "layers",
                "diffIds": [f"sha256:{layer.descriptor.digest.hash}" for layer in layers],
            },
        }
    )
