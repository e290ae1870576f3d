"""Laws of verification: what it passes opens without a word, and is what writing it again gives."""

from __future__ import annotations

import functools
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import contents_of
from hermpkg_build.inspection.verify.archive import verify_archive

FIELDS = sorted(Manifest.__dataclass_fields__)
TEXTS = st.text(max_size=4) | st.sampled_from(["\ud800", "..", "m.util", "json", "m/util.py", "\0"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    PLAIN, lambda value: st.lists(value, max_size=2) | st.dictionaries(TEXTS, value, max_size=2)
)


@functools.cache
def records() -> dict[str, bytes]:
    stream = io.BytesIO()
    with PackageExporter(stream, requires={"packaging": ">=1"}) as exporter:
        exporter.extern("json")
        exporter.save_source_string("m.util", "import json\n")
        exporter.save_text("m", "words.txt", "one")
        exporter.save_pickle("m", "m.pkl", [1, 2])
    with zipfile.ZipFile(stream) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


@st.composite
def edited_manifests(draw: st.DrawFn) -> bytes:
    """Manifests with other values, and with other bytes for the same values."""
    manifest: Any = json.loads(records()[MANIFEST])
    for _ in range(draw(st.integers(0, 2))):
        inside = manifest
        for _ in range(draw(st.integers(0, 2))):
            inner = [inside[key] for key in sorted(inside) if isinstance(inside[key], dict) and inside[key]]
            inside = draw(st.sampled_from(inner)) if inner else inside
        key = draw(st.sampled_from(sorted(inside)) | TEXTS | st.sampled_from(FIELDS))
        if draw(st.booleans()):
            inside[key] = draw(VALUES)
        else:
            inside.pop(key, None)
    form = draw(st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 1}]))
    text = json.dumps(manifest, sort_keys=draw(st.booleans()), ensure_ascii=draw(st.booleans()), **form)
    repeated = draw(st.sampled_from(["", '"format":1,', '"records":{},', '"zz":[],']))
    return ("{" + repeated + text[1:]).encode(
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "surrogatepass"
    )


def check_that_what_verifies_opens(path: Path, manifest: bytes) -> bool:
    problems = verify_archive(str(path), "a").facts["problems"]
    if not problems:
        assert manifest_bytes(Manifest.from_bytes(manifest)) == manifest
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            PackageImporter(path).close()
    return not problems


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(None)
@given(st.none() | edited_manifests())
def test_a_manifest_that_verifies_opens_and_is_canonical(tmp_path: Path, manifest: bytes | None) -> None:
    contents = {**records()} if manifest is None else {**records(), MANIFEST: manifest}
    made = [Record(name=name, content=data) for name, data in contents.items()]
    write_archive(str(tmp_path / "a.pt"), root="r", records=made)
    verifies = check_that_what_verifies_opens(tmp_path / "a.pt", contents[MANIFEST])
    assert verifies or contents[MANIFEST] != records()[MANIFEST]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(sorted(records()))), st.booleans())
def test_records_that_are_gone_from_both_sides_are_missed(
    tmp_path: Path, gone: set[str], listed: bool
) -> None:
    contents = {name: data for name, data in records().items() if name not in gone}
    if MANIFEST in contents and not listed:
        manifest = json.loads(contents[MANIFEST])
        manifest["records"] = {n: record for n, record in manifest["records"].items() if n not in gone}
        contents[MANIFEST] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    write_archive(
        str(tmp_path / "a.pt"),
        root="r",
        records=[Record(name=n, content=data) for n, data in contents.items()],
    )
    try:
        check_that_what_verifies_opens(tmp_path / "a.pt", contents.get(MANIFEST, b""))
    except ArchiveError:  # Nothing is left.
        assert not contents


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(records())), max_size=2),
    st.lists(
        st.sampled_from(["a/x", "a/.data/version", "s/.data/version", "version", "a/version"]), max_size=2
    ),
    st.booleans(),
)
def test_no_second_root_and_no_second_record_go_unseen(
    tmp_path: Path, twice: list[str], strays: list[str], first: bool
) -> None:
    entries = [(f"r/{name}", data) for name, data in records().items()]
    more = [(f"r/{name}", b"6\n") for name in twice] + [(name, b"6\n") for name in strays]
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        warnings.simplefilter("ignore")
        for name, data in more + entries if first else entries + more:
            file.writestr(name, data)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            PackageImporter(tmp_path / "a.pt").close()
    except ArchiveError:
        return
    assert bool(told) == bool(more)
    with ArchiveReader(tmp_path / "a.pt") as reader:
        contents = contents_of(reader)
    assert set(contents.duplicates) == set(twice)
    assert set(contents.strays) == set(strays)
