"""Pulls an artifact from a registry: the layers that the cache lacks, and the file that they make."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ActionError, ArchiveError
from hermpkg_build.registry.assembly import Assembly
from hermpkg_build.registry.known_layers import layer_in_hand, remember_layers
from hermpkg_build.registry.layers import RECIPE
from hermpkg_build.registry.manifest import FILE_PATH, Descriptor, Manifest, ManifestError
from hermpkg_build.registry.progress import Progress
from hermpkg_build.registry.recipe import MOST_BYTES, Recipe, RecipeError
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.referrers import Attachment, attachments_of
from hermpkg_build.registry.repository import Repository
from hermpkg_build.registry.server import Connection
from hermpkg_build.registry.signatures import remember_origin
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache
from hermpkg_build.store.content import ContentStore

LARGE = 1 << 20
"""Layers from this size on that are records arrive in the file itself; the cache keeps the others."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assembled:
    """The layers that travelled, and where in the file large layers lie."""

    moved: AbstractSet[Digest]
    places: Sequence[tuple[Digest, int]]


def pull(
    reference: Reference,
    path: str,
    connection: Connection,
    cache: Cache,
    *,
    with_attachments: bool = True,
    progress: Progress | None = None,
) -> Pulled:
    """Write the artifact that a reference names to `path`, which takes its place when all of it is right.

    `progress` is told of the layers that travel.
    Every layer is compared with its digest on arrival, the file with that in its recipe.
    Raises RemoteError, and LocalEnvironmentError where the file or the cache cannot be written.
    """
    pulled, assembled = _pull(
        reference,
        path,
        connection,
        cache,
        with_attachments=with_attachments,
        progress=progress or Progress(),
    )
    remember_layers(path, assembled.places, cache)
    remember_origin(pulled.file.hash, pulled.reference, pulled.attachments, cache)
    return pulled


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
        pulled, assembled = _pull(
            reference, place, connection, cache, with_attachments=False, progress=Progress()
        )
        content.put_file(place, pulled.file, move=True)
    cache.actions.put(key, ActionResult(outputs={"file": pulled.file}, facts=None))
    path = content.path_of(pulled.file)
    assert path is not None
    remember_layers(path, assembled.places, cache)
    remember_origin(pulled.file.hash, pulled.reference, (), cache)
    return path


def _pull(
    reference: Reference,
    path: str,
    connection: Connection,
    cache: Cache,
    *,
    with_attachments: bool,
    progress: Progress,
) -> tuple[Pulled, _Assembled]:
    content = cache.content
    with ExitStack() as open_ones:
        repository = open_ones.enter_context(Repository(reference, connection, progress=progress))
        data, digest = _manifest_of(repository)
        manifest, recipe_layer = _read(repository, data)
        layers = [layer.digest for layer in manifest.layers if layer is not recipe_layer]
        is_new = content.path_of(recipe_layer.digest) is None
        repository.fetch([recipe_layer.digest], content)
        recipe = _recipe_of(repository, recipe_layer.digest, layers, content)
        assembled = _assemble(repository, recipe, layers, cache, path, progress, trusts=True)
        if assembled is None:
            # The other one has given up its connections.
            repository = open_ones.enter_context(Repository(reference, connection, progress=progress))
            assembled = _assemble(repository, recipe, layers, cache, path, progress, trusts=False)
        if assembled is None:
            reason = "its layers do not make the file with the digest in its recipe"
            raise repository.wrong("pull the artifact", reason)
        attachments = [*attachments_of(repository, digest, content)] if with_attachments else []
    moved = {*assembled.moved, recipe_layer.digest} if is_new else assembled.moved
    pulled = Pulled(
        reference=reference.pinned(digest.hash),
        file=recipe.file,
        layers=len({*layers, recipe_layer.digest}),
        moved=len(moved),
        moved_bytes=sum(layer.size for layer in moved),
        attachments=attachments,
    )
    return pulled, assembled


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
    repository: Repository,
    recipe: Recipe,
    layers: Sequence[Digest],
    cache: Cache,
    path: str,
    progress: Progress,
    *,
    trusts: bool,
) -> _Assembled | None:
    """Write the file, of layers that lie in files of this machine too, where it `trusts` these.

    Returns None, and closes the repository, where layers turn out wrong: then all of them must travel.
    """
    content = cache.content
    found = {
        number: place
        for number, digest in enumerate(layers)
        if (place := layer_in_hand(digest, cache, anywhere=trusts)) is not None
    }
    alone = recipe.whole_layers([digest.size for digest in layers])
    arriving = [
        number
        for number, digest in enumerate(layers)
        if number not in found and number in alone and digest.size >= LARGE
    ]
    kept = [number for number in range(len(layers)) if number not in found and number not in arriving]
    moved = {layers[number] for number in [*arriving, *kept]}
    progress.planned(moved)
    repository.fetch([layers[number] for number in kept], content)
    found |= {number: _kept(content, layers[number]) for number in kept}
    assembly = Assembly(
        recipe, layers, cache, in_hand=found, receive=repository.receive, give_up=repository.close
    )
    try:
        assembly.write(path)
    except (ArchiveError, ActionError):
        content.check(layers)
        return None
    return _Assembled(moved=moved, places=assembly.places(LARGE))


def _kept(content: ContentStore, digest: Digest) -> FileSlice:
    # A layer that is found damaged has no path: to open it fails, and it is downloaded again.
    return FileSlice(path=content.path_of(digest) or "", size=digest.size)
