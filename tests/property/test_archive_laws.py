"""Laws of archives: what is written is read back, order does not count, damage is told and never worse."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hermpkg_build.archive import central_directory
from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.archive.plan import LAYOUT, Layout, plan_archive
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.storage_places import StoragePlaces
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestModel,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import replace
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.verify.layout_audit import LAYOUTS, audit_layout

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


STORAGES = st.lists(st.sampled_from([0, 1, 63, 64, 5000, 262_143, 262_144, 270_001]), max_size=13)


@given(CONTENTS, STORAGES, st.sampled_from(["r", "a model", "é" * 20]))
def test_where_storages_lie_is_known_before_the_rest(
    contents: dict[str, bytes], sizes: list[int], root: str
) -> None:
    records = {f".data/{number}.storage": bytes(size) for number, size in enumerate(sizes)}
    places = StoragePlaces(root)
    expected = [places.place(size) for size in sizes]
    with ArchiveReader(archive(contents | records, root)) as reader:
        assert [reader.entry(name).offset for name in records] == expected
        assert all(
            place % (64 if size < 262_144 else 4096) == 0 for place, size in zip(expected, sizes, strict=True)
        )
        assert [*reader.names()][: len(sizes)] == [*records]
        assert [*reader.names()] == LAYOUT.in_order(contents | records)


@given(CONTENTS, STORAGES, st.sampled_from(LAYOUTS))
def test_what_earlier_versions_wrote_is_sound(
    contents: dict[str, bytes], sizes: list[int], layout: Layout
) -> None:
    contents |= {f".data/{number}.storage": bytes(size) for number, size in enumerate(sizes)}
    records = [Record(name=name, content=content) for name, content in contents.items()]
    pieces = plan_archive("r", records, layout)
    with ArchiveReader(b"".join(map(bytes, cast("Iterable[bytes]", pieces)))) as reader:
        assert [*audit_layout(reader)] == []


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
            flipped = bytearray(data)
            flipped[index] ^= bit
            found = contents_unless_refused(bytes(flipped))
            assert all(CONTENT[name] == content for name, content in found.items())


EDITS = st.lists(
    st.tuples(
        st.integers(0, 2000), st.sampled_from(["set", "cut", "put"]), st.binary(min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=6,
)


def damaged(whole: bytes, edits: list[tuple[int, str, bytes]]) -> bytes:
    data = bytearray(whole)
    for index, edit, value in edits:
        start = index % len(data) if data else 0
        stop = start if edit == "put" else start + len(value)
        data[start:stop] = b"" if edit == "cut" else value
    return bytes(data)


@settings(max_examples=500)
@given(st.sampled_from(sorted(SAMPLES)), EDITS)
@example("ours", [(0, "put", b"#!/bin/sh")])
def test_any_damage_at_all_is_an_archive_error_or_nothing(
    sample: str, edits: list[tuple[int, str, bytes]]
) -> None:
    contents_unless_refused(damaged(SAMPLES[sample], edits))


ODD_NAMES = st.sampled_from(
    ["r/a", "r/a.py", "r/é", "r/b\nc", "r/f/", "r/PK\1\2", "r/./x", "x", "r/.data/version"]
)
MEMBERS = st.lists(
    st.tuples(
        ODD_NAMES, st.binary(max_size=9), st.sampled_from([b"", b"\x35\xd9\2\0@\0", b"PK\1\2"]), st.booleans()
    ),
    max_size=6,
)


def zipped(members: list[tuple[str, bytes, bytes, bool]], edits: list[tuple[int, str, bytes]]) -> bytes:
    """An archive with extra fields, comments, deflated records and records with ZIP64 fields, damaged."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as stock:
        warnings.simplefilter("ignore")
        for name, data, extra, odd in members:
            info = zipfile.ZipInfo(name)
            info.extra, info.comment, info.external_attr = extra, extra, 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if odd else zipfile.ZIP_STORED
            with stock.open(info, "w", force_zip64=odd) as file:
                file.write(data)
    return damaged(stream.getvalue(), edits)


@settings(max_examples=300)
@given(MEMBERS, st.one_of(st.just([]), EDITS))
@example([("r/a", b"1", b"", False), ("r/b", b"", b"", False)], [])
def test_a_directory_that_is_swept_is_as_one_that_is_read_entry_by_entry(
    members: list[tuple[str, bytes, bytes, bool]], edits: list[tuple[int, str, bytes]]
) -> None:
    data = memoryview(zipped(members, edits))
    try:
        end = central_directory._find_end(data)
        swept = central_directory._swept(directory := bytes(data[end.start : end.start + end.size]), end)
    except ArchiveError:
        return
    if swept is not None:
        assert (dict(swept), ()) == (lambda walked: (dict(walked[0]), walked[1]))(
            central_directory._walked(directory, end)
        )
    else:
        assert members != [("r/a", b"1", b"", False), ("r/b", b"", b"", False)] or edits


def answer_of(ask: Callable[..., object], *arguments: object) -> object:
    try:
        return ask(*arguments)
    except ArchiveError as error:
        return str(error)


def hashes_alone(reader: ArchiveReader, names: list[str]) -> list[str]:
    return [reader.sha256(name) for name in names]


def hashes_together(reader: ArchiveReader, names: list[str]) -> list[str]:
    return list(reader.hashes(names))


@settings(max_examples=300)
@given(MEMBERS | st.none(), st.one_of(st.just([]), EDITS))
def test_records_have_the_hashes_and_sizes_together_that_they_have_alone(
    members: list[tuple[str, bytes, bytes, bool]] | None, edits: list[tuple[int, str, bytes]]
) -> None:
    data = damaged(SAMPLES["ours"], edits) if members is None else zipped(members, edits)
    try:
        together, alone = ArchiveReader(data), ArchiveReader(data)
    except ArchiveError:
        return
    with together, alone:
        names = [*alone.names()]
        for name in names:
            # What the directory says; whether the record is so is found out when it is read.
            found, size = answer_of(together.sizes, [name]), answer_of(alone.size, name)
            assert found == [size] or (isinstance(found, list) and not isinstance(size, int))
            hashes = answer_of(hashes_together, together, [name])
            assert hashes == answer_of(hashes_alone, alone, [name])
            assert answer_of(together.read, name) == answer_of(alone.read, name)
        expected = answer_of(hashes_alone, alone, names)
        with ArchiveReader(data) as fresh:
            found = answer_of(hashes_together, fresh, names)
        assert found == expected or (not isinstance(found, list) and not isinstance(expected, list))


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
    checksums=st.sampled_from(["", "0" * 64]),
)


@given(MANIFESTS)
def test_reading_a_manifest_is_the_inverse_of_writing_it(manifest: Manifest) -> None:
    data = manifest_bytes(manifest)
    assert Manifest.from_bytes(data) == manifest
    opened = Manifest.opened(data)
    assert opened.extern_modules() == manifest.extern_modules()
    assert {name: opened.records[name] for name in manifest.records} == manifest.records
    assert {name: opened.modules[name] for name in manifest.modules} == manifest.modules
    assert "no such\nname" not in opened.records
    assert opened == manifest
    assert opened.digests() == manifest.digests()


@given(MANIFESTS, st.data())
def test_a_manifest_is_never_opened_as_another_one(manifest: Manifest, draw: st.DataObject) -> None:
    data = bytearray(manifest_bytes(replace(manifest, checksums="0" * 64)))
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(0, len(data)))
        other = draw.draw(st.sampled_from([b"", b"\n", b"{", b"}", b"{\n", b"\n}", b'"', b",", b"NaN", b"0"]))
        data[start : start + draw.draw(st.integers(0, 3))] = other
    with suppress(ArchiveError):
        opened = Manifest.opened(bytes(data))
        whole = replace(opened, records={**opened.records}, modules={**opened.modules})
        assert whole == Manifest.from_bytes(bytes(data))
