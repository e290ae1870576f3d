"""`hermpkg verify FILE`: every way to tamper with an artifact is found, and a sound one passes."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib

import pytest


@pytest.fixture(scope="module")
def sound(make_workspace, tmp_path_factory):
    """A workspace with an artifact, whose bytes tests change in copies."""
    folder = tmp_path_factory.mktemp("sound")
    app = make_workspace(folder / "workspace", folder / "cache").write_app()
    path = app.root / app.build("//app").target["path"]
    return app, path.read_bytes()


@pytest.fixture
def verify(sound, tmp_path):
    """Verify some bytes; the exit code and the (record, rule) pairs of what was found."""
    app, _ = sound

    def run(data: bytes, *words: str):
        path = tmp_path / "artifact.pt"
        path.write_bytes(data)
        outcome = app.run("verify", str(path), "--json", *words)
        (check,) = outcome.json["checks"]
        return outcome.code, [(row["record"], row["rule"], row["found"]) for row in check["problems"]]

    return run


def rewritten(data: bytes, tmp_path, change=None, **options) -> bytes:
    """The archive written again by zipfile; `change` gets and gives (ZipInfo, bytes) pairs."""
    source, target = tmp_path / "source.zip", tmp_path / "target.zip"
    source.write_bytes(data)
    with zipfile.ZipFile(source) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(target, "w", **options) as archive:
        for info, content in change(members) if change else members:
            archive.writestr(info, content)
    return target.read_bytes()


def test_a_sound_artifact(sound, verify):
    assert verify(sound[1]) == (0, [])


def test_labels_are_built_first(sound):
    app, _ = sound
    outcome = app.run("verify", "//app")
    assert outcome.code == 0, outcome.stderr
    assert "//app:app  verified" in outcome.stdout


def test_changed_bytes(sound, verify):
    data = bytearray(sound[1])
    place = data.index(b'return "hello"')
    data[place + 8] ^= 1
    code, rows = verify(bytes(data))
    assert code == 3
    assert {record for record, _, _ in rows} == {"app/helpers.py"}
    assert {rule for _, rule, _ in rows} == {"sound archive", "as in the manifest"}


def test_changed_bytes_with_the_right_checksum(sound, verify):
    """An attacker who mends the CRC is caught by the manifest."""
    data = bytearray(sound[1])
    name = b"app/app/helpers.py"
    before = b'def greeting():\n    return "hello"\n'
    after = before.replace(b"hello", b"hullo")
    place = data.index(before)
    data[place : place + len(before)] = after
    old, new = (struct.pack("<I", zlib.crc32(text)) for text in (before, after))
    assert data.count(old) == 2
    data = data.replace(old, new)
    assert name in data
    code, rows = verify(bytes(data))
    assert code == 3
    assert [(record, rule) for record, rule, _ in rows] == [("app/helpers.py", "as in the manifest")]


@pytest.mark.parametrize("record", [".data/version", ".data/extern_modules", ".data/python_version"])
def test_a_record_of_the_format_that_cannot_be_read(sound, verify, record):
    data = bytearray(sound[1])
    # The name in front of the record itself; the directory at the end has it again.
    data[data.index(f"app/{record}".encode())] ^= 1
    code, rows = verify(bytes(data))
    assert code == 3
    assert (record, "sound archive") in [row[:2] for row in rows]


def test_bytes_before_and_behind(sound, verify):
    assert verify(b"#!/bin/sh\n" + sound[1])[1][0] == ("", "nothing hidden", "10 bytes before the archive")
    assert verify(sound[1] + b"hidden")[1] == [("", "nothing hidden", "6 bytes behind the archive")]
    commented = sound[1][:-2] + struct.pack("<H", 3) + b"abc"
    assert verify(commented)[1] == [("", "nothing hidden", "3 bytes behind the archive")]


def test_bytes_hidden_between_records(sound, verify):
    data = sound[1]
    end = struct.unpack("<IHHHHIIH", data[-22:])
    directory = data[end[6] : end[6] + end[5]]
    moved = data[: end[6]] + b"secret" + directory
    moved += struct.pack("<IHHHHIIH", *end[:6], end[6] + 6, 0)
    assert verify(moved)[1] == [("", "nothing hidden", "6 bytes before the directory")]


def test_bytes_hidden_in_padding(sound, verify):
    data = bytearray(sound[1])
    place = data.index(struct.pack("<H", 0xD935)) + 6
    assert data[place] == 0
    data[place] = 7
    code, rows = verify(bytes(data))
    assert code == 3
    assert rows[0][1] == "nothing hidden"


def test_any_byte_of_the_headers_matters(sound, verify):
    """The finer checks may not know of a field, but nothing at all may change unseen."""
    data = bytearray(sound[1])
    central = data.rindex(b"PK\x01\x02")
    for offset in (4, 6, 36, 38):  # made by, needed, internal attributes, external attributes
        changed = bytearray(data)
        changed[central + offset] ^= 1
        assert verify(bytes(changed))[0] == 3, offset


def test_written_again_with_times_and_compression(sound, verify, tmp_path):
    def now(members):
        for info, content in members:
            info.date_time = (2024, 5, 6, 7, 8, 10)
            info.compress_type = zipfile.ZIP_DEFLATED
            yield info, content

    code, rows = verify(rewritten(sound[1], tmp_path, now))
    assert code == 3
    assert {"no time", "stored"} <= {rule for _, rule, _ in rows}
    assert any("2024-05-06 07:08:10" in found for _, _, found in rows)


def test_another_order(sound, verify, tmp_path):
    rows = verify(rewritten(sound[1], tmp_path, reversed))[1]
    assert "in order" in {rule for _, rule, _ in rows}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("app/added.py", "in the manifest"),
        ("app/app/main.py", "one record a name"),
        ("elsewhere/x.py", "one root folder"),
        ("/etc/passwd", "sound archive"),
        ("app/../../x.py", "sound archive"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_added_record(sound, verify, tmp_path, name, rule):
    def add(members):
        return [*members, (zipfile.ZipInfo(name), b"print('hello')\n")]

    code, rows = verify(rewritten(sound[1], tmp_path, add))
    assert code == 3
    assert rule in {found for _, found, _ in rows}


def test_a_record_that_is_gone(sound, verify, tmp_path):
    def drop(members):
        return [pair for pair in members if not pair[0].filename.endswith("words.txt")]

    rows = verify(rewritten(sound[1], tmp_path, drop))[1]
    assert ("app/words.txt", "in the manifest", "is gone: the manifest lists it") in rows


def test_without_a_manifest(sound, verify, tmp_path):
    def drop(members):
        return [pair for pair in members if not pair[0].filename.endswith("manifest.json")]

    code, rows = verify(rewritten(sound[1], tmp_path, drop))
    assert (code, rows) == (3, [(".data/hermpkg/manifest.json", "has a manifest", "is missing")])


def test_a_manifest_that_is_none(sound, verify, tmp_path):
    def spoil(members):
        for info, content in members:
            yield info, b"[]" if info.filename.endswith("manifest.json") else content

    code, rows = verify(rewritten(sound[1], tmp_path, spoil))
    assert code == 3
    assert ".data/hermpkg/manifest.json" in {record for record, _, _ in rows}


@pytest.mark.parametrize("size", [0, 1, 30, 300])
def test_cut_off(sound, verify, size):
    code, rows = verify(sound[1][:size])
    assert code == 3
    assert rows[0][1] == "sound archive"


def test_no_such_file(sound):
    app, _ = sound
    outcome = app.run("verify", "missing.pt")
    assert outcome.code == 1
    assert "missing.pt" in outcome.stderr
    assert app.run("verify").code == 2


def test_needs_that_this_machine_does_not_meet(workspace, tmp_path):
    workspace.write_app()
    text = (workspace.root / "app/BUILD").read_text()
    requires = 'requires = {"packaging": ">=2"},\n    deps = [":modules"],\n)'
    text = text.replace('deps = [":modules"],\n)', requires).replace(
        'intern("app.**"),', 'intern("app.**"), extern("packaging.**"),'
    )
    workspace.write("app/BUILD", text)
    workspace.write("app/main.py", "import packaging\nfrom app import helpers\n")
    path = workspace.root / workspace.build("//app").target["path"]
    assert workspace.run("verify", str(path)).code == 0

    # The tampered manifest is a fault of its own; what counts here is the other one.
    def demand(members):
        for info, content in members:
            yield info, content.replace(b'"packaging":">=2"', b'"packaging":"==2"')

    path.write_bytes(rewritten(path.read_bytes(), tmp_path, demand))
    rows = workspace.run("verify", str(path), "--json").json["checks"][0]["problems"]
    assert any(row["record"] == "packaging" and row["rule"] == "allowed here" for row in rows)
    rows = workspace.run("verify", str(path), "--json", "--file-only").json["checks"][0]["problems"]
    assert "allowed here" not in {row["rule"] for row in rows}


def test_reports(sound, tmp_path):
    app, data = sound
    good, bad = tmp_path / "good.pt", tmp_path / "bad <&>.pt"
    good.write_bytes(data)
    bad.write_bytes(data + b"x")
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    summary.write_text("before\n")
    words = ("--junit", str(junit), "--summary", str(summary))
    assert app.run("verify", str(good), str(bad), *words).code == 3
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    cases = {case.get("name"): case for case in suite}
    assert cases[str(good)].find("failure") is None
    assert "behind the archive" in cases[str(bad)].find("failure").text
    text = summary.read_text()
    assert text.startswith("before\n### hermpkg verify: 1 of 2 failed")
    assert "behind the archive" in text
