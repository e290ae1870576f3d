"""Any archive comes back from its layers byte by byte, and few layers change with it."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.core.digest import Digest
from hermpkg_build.registry import file_parts
from hermpkg_build.registry.layers import SplitArchive, split_archive
from hermpkg_build.registry.recipe import Recipe, RecipeError

few = settings(max_examples=40, deadline=None)

names = st.text("abcé./-", min_size=1, max_size=12).filter(
    lambda name: all(part not in ("", ".", "..") for part in name.split("/"))
)
contents = st.binary(max_size=60) | st.integers(0, 3000).map(lambda size: b"\7" * size)


@st.composite
def zip_files(draw: st.DrawFn) -> bytes:
    """Archives of others: compressed or not, with comments, bytes before them, names that occur twice."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as file:
        warnings.simplefilter("ignore")  # names that occur twice
        for name, data in draw(st.lists(st.tuples(names, contents), max_size=12)):
            method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            file.writestr(zipfile.ZipInfo(f"root/{name}"), data, compress_type=method)
        file.comment = draw(st.binary(max_size=9))
    return draw(st.binary(max_size=9)) + stream.getvalue()


@st.composite
def own_files(draw: st.DrawFn) -> bytes:
    records = draw(st.dictionaries(names, contents, max_size=12))
    stream = io.BytesIO()
    stream_archive(stream, root="net", records=[Record(name=n, content=c) for n, c in records.items()])
    return stream.getvalue()


@pytest.fixture(autouse=True, scope="module")
def small_layers() -> None:
    """What is large is small here, so that archives of a few kilobytes have layers of all kinds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_parts, "_LEAST", 256)
        yield


def blobs(split: SplitArchive) -> list[bytes]:
    return [b"".join(map(bytes, layer.chunks())) for layer in split.layers]


def made_again(split: SplitArchive) -> bytes:
    *layers, recipe = blobs(split)
    pieces = Recipe.of_bytes(recipe, [len(layer) for layer in layers]).pieces()
    return b"".join(
        piece if isinstance(piece, bytes) else layers[piece.layer][piece.offset : piece.offset + piece.size]
        for piece in pieces
    )


@given(data=zip_files() | own_files())
@few
def test_any_archive_comes_back_byte_by_byte(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("split") / "a.pt"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_parts, "_LARGEST_BETWEEN", 100)
        split = split_archive(str(path))
    assert made_again(split) == data
    assert split.file == Digest.of(data)
    for layer, blob in zip(split.layers, blobs(split), strict=True):
        assert layer.descriptor.digest == Digest.of(blob)


@given(data=own_files(), noise=st.data())
@few
def test_no_recipe_takes_what_is_not_there(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, noise: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("noise") / "a.pt"
    path.write_bytes(data)
    *layers, recipe = blobs(split_archive(str(path)))
    sizes = [len(layer) for layer in layers]
    damaged = bytearray(recipe)
    for place in noise.draw(st.lists(st.integers(0, len(recipe) - 1), min_size=1, max_size=4)):
        damaged[place] = noise.draw(st.integers(0, 255))
    cut = bytes(damaged[: noise.draw(st.integers(0, len(damaged)))])
    for each in (bytes(damaged), cut):
        try:
            found = Recipe.of_bytes(each, sizes)
        except RecipeError:
            continue
        taken = [piece for piece in found.pieces() if not isinstance(piece, bytes)]
        assert all(piece.offset + piece.size <= sizes[piece.layer] for piece in taken)
        assert found.file.size <= sum(sizes) + len(each)


def versions(
    tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes]
) -> tuple[set[Digest], set[Digest]]:
    digests = []
    for number, records in enumerate((before, after)):
        path = tmp_path / f"{number}.pt"
        with path.open("wb") as file:
            stream_archive(file, root="net", records=[Record(name=n, content=c) for n, c in records.items()])
        digests.append({layer.descriptor.digest for layer in split_archive(str(path)).layers})
    return digests[0], digests[1]


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=60), edited=st.integers(0, 59))
@few
def test_an_edit_changes_its_layer_and_the_recipe(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], edited: int
) -> None:
    before = {f"m/{number:02}.py": bytes([number]) * size for number, size in enumerate(sizes)}
    name = f"m/{edited % len(sizes):02}.py"
    after = {**before, name: b"x" * len(before[name])}
    old, new = versions(tmp_path_factory.mktemp("edit"), before, after)
    assert len(new - old) == 2


def test_a_new_file_changes_few_layers(tmp_path: Path) -> None:
    before = {f"m/{number:03}.py": bytes([number % 256]) * (number % 90) for number in range(600)}
    old, new = versions(tmp_path, before, {**before, "m/300a.py": b"new"})
    assert len(old) > 30
    assert len(new - old) <= 4
