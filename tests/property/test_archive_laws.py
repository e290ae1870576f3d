"""Laws of archives: what is written is read back, order does not count, damage is told and never worse."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import ModuleKind, Origin
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestModel,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.policy import Policy
from hermpkg_build.errors import ArchiveError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.lists(TEXT, min_size=1, max_size=4).map("/".join).filter(lambda name: not problem_with_name(name))
CONTENTS = st.dictionaries(NAMES, st.binary(max_size=300), min_size=1, max_size=8)


def archive(contents: dict[str, bytes], root: str = "root") -> bytes:
    stream = io.BytesIO()
    stream_archive(stream, root=root, records=[Record(name=n, content=c) for n, c in contents.items()])
    return stream.getvalue()


@given(CONTENTS, st.randoms(use_true_random=False))
def test_what_is_written_is_read_back_in_any_order(contents: dict[str, bytes], order: random.Random) -> None:
    names = list(contents)
    order.shuffle(names)
    data = archive(contents)
    assert archive({name: contents[name] for name in names}) == data
    with ArchiveReader(data) as reader:
        assert {name: reader.read(name) for name in reader.names()} == contents
        assert all(reader.entry(name).offset % 64 == 0 for name in contents)
    with zipfile.ZipFile(io.BytesIO(data)) as stock:
        assert {name: stock.read(f"root/{name}") for name in contents} == contents


def read_all(data: bytes) -> dict[str, bytes]:
    with ArchiveReader(data) as reader:
        found = {name: reader.read(name) for name in reader.names()}
        views = reader.private_views()
        for name, expected in found.items():
            reader.sha256(name)
            assert reader.view(name) == views(name) == expected
        return found


def contents_unless_refused(data: bytes) -> dict[str, bytes]:
    """What can be read, {} where an ArchiveError says why not; anything else raised fails the test."""
    try:
        return read_all(data)
    except ArchiveError:
        return {}


CONTENT = {".data/version": b"6\n", "a/é.py": b"x = 1\n" * 20, ".data/0.storage": bytes(range(100))}


def deflated(*, large: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as stock:
        for name, data in CONTENT.items():
            with stock.open(f"r/{name}", "w", force_zip64=large) as file:
                file.write(data)
        stock.writestr("r/folder/", b"")
        stock.comment = b"a comment"
    return stream.getvalue()


SAMPLES = {"ours": archive(CONTENT), "deflated": deflated(), "zip64": deflated(large=True)}


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_archive_cut_anywhere_is_refused(sample: str) -> None:
    data = SAMPLES[sample]
    assert read_all(data) == CONTENT
    for length in range(len(data)):
        with pytest.raises(ArchiveError):
            ArchiveReader(data[:length])


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_flipped_bit_is_told_or_changes_no_content(sample: str) -> None:
    """Of all single flips, only those in a name's root folder can hide a record; none alters one."""
    data = SAMPLES[sample]
    for index in range(len(data)):
        for bit in (0x01, 0x80):
            damaged = bytearray(data)
            damaged[index] ^= bit
            found = contents_unless_refused(bytes(damaged))
            assert all(CONTENT[name] == content for name, content in found.items())


EDITS = st.lists(
    st.tuples(
        st.integers(0, 2000), st.sampled_from(["set", "cut", "put"]), st.binary(min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=500)
@given(st.sampled_from(sorted(SAMPLES)), EDITS)
@example("ours", [(0, "put", b"#!/bin/sh")])
def test_any_damage_at_all_is_an_archive_error_or_nothing(
    sample: str, edits: list[tuple[int, str, bytes]]
) -> None:
    data = bytearray(SAMPLES[sample])
    for index, edit, value in edits:
        start = index % len(data) if data else 0
        stop = start if edit == "put" else start + len(value)
        data[start:stop] = b"" if edit == "cut" else value
    contents_unless_refused(bytes(data))


@given(st.binary(max_size=400))
def test_any_bytes_at_all(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        ArchiveReader(b"PK\3\4" + data)


DIGESTS = st.binary(max_size=20).map(Digest.of)
MANIFESTS = st.builds(
    Manifest,
    tool=st.builds(ManifestTool, name=TEXT, version=TEXT),
    python_version=TEXT,
    records=st.dictionaries(
        TEXT, st.builds(ManifestRecord, digest=DIGESTS, kind=st.sampled_from(RecordKind)), max_size=4
    ),
    modules=st.dictionaries(
        TEXT,
        st.builds(
            ManifestModule,
            policy=st.sampled_from(Policy),
            kind=st.sampled_from(ModuleKind),
            origin=st.sampled_from(Origin),
            label=TEXT,
            distribution=TEXT,
        ),
        max_size=4,
    ),
    distributions=st.dictionaries(TEXT, TEXT, max_size=3),
    requires=st.dictionaries(TEXT, TEXT, max_size=3),
    models=st.dictionaries(TEXT, st.builds(ManifestModel, label=TEXT, factory=TEXT), max_size=3),
    format=st.just(1),
)


@given(MANIFESTS)
def test_reading_a_manifest_is_the_inverse_of_writing_it(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
