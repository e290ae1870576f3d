"""Registries that mean no good, or are broken: one clear error each, and the file that was there stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.errors import ExitCode
from hermpkg_build.registry.manifest import FILE_PATH
from hermpkg_build.registry.pull import pull
from hermpkg_build.registry.push import push
from hermpkg_build.registry.recipe import Recipe, Step
from hermpkg_build.registry.server import Connection
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.store.cache import Cache

Refused = Callable[..., RemoteError]


@pytest.fixture
def refused(
    registry: Any, connection: Connection, cache: Cache, write_model: Callable[..., str], tmp_path: Path
) -> Refused:
    """Pulls what was pushed, which must fail and leave the file as it is."""
    push(write_model(), registry.reference(), connection)
    out = tmp_path / "out.pt"
    out.write_bytes(b"before")

    def pulled(reference: Any = None) -> RemoteError:
        with pytest.raises(RemoteError) as caught:
            pull(reference or registry.reference(), str(out), connection, cache)
        assert out.read_bytes() == b"before"
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".hermpkg")] == []
        assert caught.value.exit_code == ExitCode.LOCAL_ENVIRONMENT
        assert caught.value.next_step
        assert len(str(caught.value)) < 2_000
        return caught.value

    return pulled


def big(registry: Any) -> str:
    return next(digest for digest, data in registry.blobs.items() if len(data) > 200_000)


def on_blob(registry: Any, digest: str, answer: Callable[[Any], None]) -> None:
    def fault(handler: Any) -> bool:
        if handler.command == "GET" and handler.path.endswith(digest):
            answer(handler)
            return True
        return False

    registry.faults.append(fault)


def test_wrong_bytes(registry: Any, refused: Refused) -> None:
    digest = big(registry)
    registry.blobs[digest] = registry.blobs[digest][:-1] + b"!"
    assert digest in refused().reason


@pytest.mark.parametrize("change", [lambda data: data + b"more", lambda data: data[:-9]])
def test_wrong_lengths(registry: Any, refused: Refused, change: Callable[[bytes], bytes]) -> None:
    digest = big(registry)
    registry.blobs[digest] = change(registry.blobs[digest])
    assert digest in refused().reason


def test_a_blob_without_end(registry: Any, refused: Refused) -> None:
    sent = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        sent.extend(handler.wfile.write(bytes(1 << 16)) for _ in range(2_000))

    on_blob(registry, big(registry), endless)
    refused()
    assert len(sent) < 1_000


def test_a_manifest_without_end(registry: Any, refused: Refused) -> None:
    registry.manifests["1"] = ("application/json", b"[" * (5 << 20))
    assert "more than" in refused().reason


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nothing",
        b"[" * 100_000,
        b"[]",
        b'{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
        b'{"config":{"digest":"sha256:1","size":1},"layers":[]}',
    ],
)
def test_what_is_no_manifest(registry: Any, refused: Refused, text: bytes) -> None:
    registry.manifests["1"] = ("application/vnd.oci.image.manifest.v1+json", text)
    assert "its manifest cannot be read" in refused().reason


@pytest.mark.parametrize(
    ("size", "words"), [(-1, "size"), (1 << 60, "size"), (True, "size"), ("9", "size"), (10**400, "size")]
)
def test_sizes_that_cannot_be(
    registry: Any, refused: Refused, rewrite: Any, size: object, words: str
) -> None:
    rewrite(registry, "1", lambda manifest: manifest["layers"][0].update(size=size))
    assert words in refused().reason


def test_very_many_layers(registry: Any, refused: Refused, rewrite: Any) -> None:
    layer = {"mediaType": "x", "digest": f"sha256:{'0' * 64}", "size": 1}
    rewrite(registry, "1", lambda manifest: manifest["layers"].extend([layer] * 30_000))
    assert "at most 20,000" in refused().reason or "more than" in refused().reason


def test_another_manifest_than_the_digest_says(registry: Any, refused: Refused, rewrite: Any) -> None:
    digest = hashlib.sha256(registry.manifests["1"][1]).hexdigest()
    registry.manifests[f"sha256:{digest}"] = ("application/json", b"{}")
    assert "other bytes" in refused(registry.reference().pinned(digest)).reason


def test_what_others_pushed(registry: Any, refused: Refused, rewrite: Any) -> None:
    rewrite(registry, "1", lambda manifest: [layer.pop("annotations") for layer in manifest["layers"]])
    assert "not pushed by hermpkg" in refused().reason


def test_redirects_without_end(registry: Any, refused: Refused) -> None:
    on_blob(registry, big(registry), lambda handler: handler.answer(307, Location=handler.path))
    assert "redirects more than" in refused().reason


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://[", "ftp://127.0.0.1/x", "//"])
def test_redirects_to_nowhere(registry: Any, refused: Refused, place: str) -> None:
    on_blob(registry, big(registry), lambda handler: handler.answer(307, Location=place))
    refused()


def test_answers_that_never_come(registry: Any, refused: Refused, cache: Cache, tmp_path: Path) -> None:
    on_blob(registry, big(registry), lambda handler: handler.rfile.read(1))
    impatient = Connection(timeout_s=0.3, retries=1)
    with pytest.raises(RemoteError, match="does not answer in time"):
        pull(registry.reference(), str(tmp_path / "out.pt"), impatient, cache)


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe, layers: b"",
        lambda recipe, layers: recipe.to_bytes()[:-1],
        lambda recipe, layers: recipe.to_bytes().replace(b'"format":1', b'"format":2'),
        # The same layer again and again makes a file that is larger than all that travelled.
        lambda recipe, layers: Recipe(
            file=type(recipe.file)("0" * 64, 300 * 1000 * max(layers)),
            steps=[Step(0, layers.index(max(layers)), 0, max(layers))] * 300_000,
            between=b"",
        ).to_bytes(),
        lambda recipe, layers: Recipe(
            file=recipe.file, steps=[Step(0, 1 << 31, 0, recipe.file.size)], between=b""
        ).to_bytes(),
        lambda recipe, layers: Recipe(
            file=type(recipe.file)("0" * 64, recipe.file.size), steps=recipe.steps, between=recipe.between
        ).to_bytes(),
    ],
)
def test_recipes_that_make_no_file(
    registry: Any, refused: Refused, change: Callable[[Recipe, list[int]], bytes]
) -> None:
    kind, data = registry.manifests["1"]
    manifest = json.loads(data)
    *layers, last = manifest["layers"]
    sizes = [layer["size"] for layer in layers]
    assert last["annotations"][FILE_PATH] == ".hermpkg/recipe"
    made = change(Recipe.of_bytes(registry.blobs[last["digest"]], sizes), sizes)
    last["digest"], last["size"] = f"sha256:{hashlib.sha256(made).hexdigest()}", len(made)
    registry.blobs[last["digest"]] = made
    registry.manifests["1"] = (kind, json.dumps(manifest).encode())
    assert "recipe" in refused().reason


def test_errors_show_the_words_of_the_registry(registry: Any, refused: Refused) -> None:
    registry.faults.append(lambda handler: bool(handler.fail(418, "TEAPOT")) or True)
    assert "418 I'm a Teapot: teapot" in refused().reason
