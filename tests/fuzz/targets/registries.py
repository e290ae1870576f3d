"""What registries answer: manifests, indexes, challenges and recipes; no recipe takes what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from laws import Reader, target_of

from hermpkg_build.core.digest import Digest
from hermpkg_build.registry.authorization import _challenges
from hermpkg_build.registry.manifest import (
    CONFIG_TYPE,
    FILE_PATH,
    MODEL_TYPE,
    Descriptor,
    Manifest,
    ManifestError,
    index_bytes,
    read_index,
)
from hermpkg_build.registry.recipe import Recipe, RecipeError, Step

_SIZES = [40, 7, 300]


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of what registries answer."""
    del folder
    layers = [
        Descriptor(media_type="raw", digest=Digest("0" * 64, size), annotations={FILE_PATH: "net/a"})
        for size in _SIZES
    ]
    config = Descriptor(media_type=CONFIG_TYPE, digest=Digest("1" * 64, 9))
    manifest = Manifest(artifact_type=MODEL_TYPE, config=config, layers=layers, subject=layers[0])
    steps = [Step(2, 0, 3, 30), Step(0, 2, 0, 300), Recipe.last(4)]
    recipe = Recipe(file=Digest("2" * 64, 336), steps=steps, between=b"PK1234")
    challenge = (
        b'Bearer realm="https://auth.example.com/token",service="r",scope="repository:a:pull", Basic realm=x'
    )
    return {
        "manifest": Reader(sound=manifest.to_bytes(), read=_read_manifest),
        "index": Reader(sound=index_bytes(layers), read=_read_index),
        "recipe": Reader(sound=recipe.to_bytes(), read=_read_recipe),
        "challenge": Reader(sound=challenge, read=lambda data: _challenges(data.decode("latin-1"))),
    }


def _read_manifest(data: bytes) -> None:
    try:
        manifest = Manifest.of_bytes(data)
    except ManifestError:
        return
    assert Manifest.of_bytes(manifest.to_bytes()) == manifest


def _read_index(data: bytes) -> None:
    try:
        listed = read_index(data)
    except ManifestError:
        return
    assert read_index(index_bytes(listed)) == listed


def _read_recipe(data: bytes) -> None:
    try:
        recipe = Recipe.of_bytes(data, _SIZES)
    except RecipeError:
        return
    taken = [piece for piece in recipe.pieces() if isinstance(piece, Step)]
    assert all(step.offset + step.size <= _SIZES[step.layer] for step in taken)
    assert recipe.whole_layers(_SIZES) <= {0, 1, 2}
    size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in recipe.pieces())
    assert size == recipe.file.size


TARGET = target_of(readers)
