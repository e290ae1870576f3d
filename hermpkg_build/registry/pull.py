"""Pulls an artifact from a registry: the layers that the cache lacks, and the file that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.archive.writer import write_pieces
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.errors import ActionError, ArchiveError
from hermpkg_build.registry.layers import RECIPE
from hermpkg_build.registry.manifest import FILE_PATH, Descriptor, Manifest, ManifestError
from hermpkg_build.registry.recipe import MOST_BYTES, Recipe, RecipeError
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.referrers import Attachment, attachments_of
from hermpkg_build.registry.repository import Repository
from hermpkg_build.registry.server import Connection
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache
from hermpkg_build.store.content import ContentStore

_SMALL = 4 << 20
_KEPT = 16
"""So many small layers are kept in memory while the file is written: each has many records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull did: `reference` has the digest of the manifest, `file` is the artifact's own.

    `moved` of the `layers` had to travel, with `moved_bytes` together.
    """

    reference: Reference
    file: Digest
    layers: int
    moved: int
    moved_bytes: int
    attachments: Sequence[Attachment] = ()


def pull(
    reference: Reference, path: str, connection: Connection, cache: Cache, *, with_attachments: bool = True
) -> Pulled:
    """Write the artifact that a reference names to `path`, which takes its place when all of it is right.

    Every layer is compared with its digest on arrival, the file with that in its recipe.
    Raises RemoteError, and LocalEnvironmentError where the file or the cache cannot be written.
    """
    content = cache.content
    with Repository(reference, connection) as repository:
        data, digest = _manifest_of(repository)
        manifest, recipe_layer = _read(repository, data)
        layers = [layer.digest for layer in manifest.layers if layer is not recipe_layer]
        wanted = [*dict.fromkeys([*layers, recipe_layer.digest])]
        missing = [layer for layer in wanted if content.path_of(layer) is None]
        repository.fetch([recipe_layer.digest], content)
        recipe = _recipe_of(repository, recipe_layer.digest, layers, content)
        file = _assemble(repository, recipe, layers, content, path)
        attachments = [*attachments_of(repository, digest, content)] if with_attachments else []
    return Pulled(
        reference=reference.pinned(digest.hash),
        file=file,
        layers=len(wanted),
        moved=len(missing),
        moved_bytes=sum(layer.size for layer in missing),
        attachments=attachments,
    )


def cached_file(reference: Reference, connection: Connection, cache: Cache) -> str:
    """Give the path of the artifact that a reference names, in the cache, where it is pulled to once.

    With a digest the registry is asked only where the cache lacks it. Raises as `pull`.
    """
    content = cache.content
    if not reference.sha256:
        with Repository(reference, connection) as repository:
            reference = reference.pinned(_manifest_of(repository)[1].hash)
    key = fingerprint({"kind": "registry-file", "manifest": reference.sha256, "version": 1})
    known = cache.actions.get(key)
    if known is not None and (path := content.path_of(known.outputs["file"])):
        return path
    with content.staging() as staging:
        place = f"{staging}/artifact"
        file = pull(reference, place, connection, cache, with_attachments=False).file
        content.put_file(place, file, move=True)
    cache.actions.put(key, ActionResult(outputs={"file": file}, facts=None))
    path = content.path_of(file)
    assert path is not None
    return path


def _manifest_of(repository: Repository) -> tuple[bytes, Digest]:
    found = repository.manifest(repository.reference.version)
    if found is None:
        raise repository.wrong("pull the artifact", "the registry has no such repository or tag")
    return found


def _read(repository: Repository, data: bytes) -> tuple[Manifest, Descriptor]:
    """Read a manifest, and find the recipe in it."""
    try:
        manifest = Manifest.of_bytes(data)
    except ManifestError as error:
        raise repository.wrong("pull the artifact", f"its manifest cannot be read: {error}") from None
    recipe = next((each for each in manifest.layers if each.annotations.get(FILE_PATH) == RECIPE), None)
    if recipe is None:
        raise repository.wrong("pull the artifact", "what is there was not pushed by hermpkg")
    if recipe.digest.size > MOST_BYTES:
        raise repository.wrong("pull the artifact", f"its recipe has {recipe.digest.size:,} bytes")
    return manifest, recipe


def _recipe_of(
    repository: Repository, digest: Digest, layers: Sequence[Digest], content: ContentStore
) -> Recipe:
    data = content.get_bytes(digest)
    if data is None:  # It is damaged in the cache, which knows that now.
        repository.fetch([digest], content)
        data = content.get_bytes(digest) or b""
    try:
        return Recipe.of_bytes(data, [layer.size for layer in layers])
    except RecipeError as error:
        raise repository.wrong("pull the artifact", f"its recipe cannot be used: {error}") from None


def _assemble(
    repository: Repository, recipe: Recipe, layers: Sequence[Digest], content: ContentStore, path: str
) -> Digest:
    """Bring the layers, and write the file; once more where the cache has damaged ones."""
    for last in (False, True):
        repository.fetch(layers, content)
        try:
            return write_pieces(path, _pieces(recipe, layers, content), expected=recipe.file)
        except (ArchiveError, ActionError):
            content.check(layers)
            if last or all(content.path_of(layer) is not None for layer in layers):
                break
    reason = "its layers do not make the file with the digest in its recipe"
    raise repository.wrong("pull the artifact", reason)


def _pieces(recipe: Recipe, layers: Sequence[Digest], content: ContentStore) -> Iterator[Content]:
    """What the file is made of: small layers are read once, large ones copied by the kernel."""

    @lru_cache(_KEPT)
    def whole(number: int) -> bytes | None:
        return content.get_bytes(layers[number])

    for piece in recipe.pieces():
        if isinstance(piece, bytes):
            yield piece
            continue
        digest = layers[piece.layer]
        if digest.size <= _SMALL and (data := whole(piece.layer)) is not None:
            yield memoryview(data)[piece.offset : piece.offset + piece.size]
        else:
            # A layer that is found damaged has no path: to open it fails, and it is downloaded again.
            yield FileSlice(path=content.path_of(digest) or "", offset=piece.offset, size=piece.size)
