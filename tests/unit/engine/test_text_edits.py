"""Edits that change no code: artifacts are renewed without a build, or with one where that is not safe."""

from __future__ import annotations

import hashlib
import json
import os
import time
from array import array
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive import replaced_records
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import ManifestRecord, RecordKind
from hermpkg_build.core.manifest_bytes import entry_bytes
from hermpkg_build.disk import spare_files
from hermpkg_build.disk.midstates import RememberingHash, remembering_hash
from hermpkg_build.engine import text_edits
from hermpkg_build.engine.beside_snapshots import beside
from hermpkg_build.engine.noted_beginnings import spare_path
from hermpkg_build.engine.noted_texts import note_path
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.snapshot_check import (
    present_signature,
    read_stored,
    root_of,
    snapshots,
    words_of,
)
from hermpkg_build.engine.text_uses import TEXTS, TextTable, TextUses
from tests.property.incremental_builds import TICK_S, build, quick_clock

BUILD = """
load("@hermpkg//rules:defs.bzl", "intern", "model_package", "python_modules")
python_modules(name = "code", srcs = glob(["*.py"]))
model_package(name = "one", modules = ["pkg.a"], policy = [intern("**")], deps = [":code"])
model_package(name = "two", modules = ["pkg.b"], policy = [intern("**")], deps = [":code"],
    resources = RESOURCES)
"""


@pytest.fixture(autouse=True)
def _quick_clock() -> object:
    with quick_clock():
        yield


class Workspace:
    """A workspace with two artifacts that share a module."""

    def __init__(self, root: Path) -> None:
        self.root = root / "a workspace é"
        self.cache = root / "cache"
        self.write("pyproject.toml", "[tool.hermpkg]\n")
        self.write("pkg/BUILD", BUILD.replace("RESOURCES", "{}"))
        for name, text in (("__init__", ""), ("a", "from pkg import c\n"), ("b", "from pkg import c\n")):
            self.write(f"pkg/{name}.py", text)
        self.write("pkg/c.py", "def f():\n    return 1\n")

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def build(self) -> bool:
        """Whether a look was enough; what is there then is what a build from nothing gives."""
        time.sleep(TICK_S)
        gave, way = build(self.root, self.cache)
        assert not gave.error
        clean, _ = build(self.root, self.cache.parent / f"cache {time.time_ns()}", from_nothing=True)
        assert gave.targets == clean.targets
        assert gave.artifacts == clean.artifacts
        # What that build left behind is newer than what the next one is to find.
        build(self.root, self.cache)
        return way.by_look

    @property
    def artifact(self) -> Path:
        return self.root / "hermpkg-out/pkg/one.pt"

    @property
    def snapshot(self) -> Path:
        ((path, _),) = snapshots(str(self.root), words_of(("//...",)))
        return Path(path)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    assert not made.build()
    return made


@pytest.mark.parametrize(
    ("text", "by_look"),
    [
        ("def f():\n    return 1  # one\n", True),
        ("# why\n\n\ndef f():\n\n    return 1", True),
        ("def f():\r\n    return 1\r\n", True),
        ("def f():\n    return 2\n", False),
        ('def f():\n    "Doc."\n    return 1\n', False),
        ("def f():\n    return 1\nif 0:\n    import csv\n", False),
        ("# -*- coding: latin-1 -*-\ndef f():\n    return 1\n", False),
        ("\ufeffdef f():\n    return 1\n", False),
    ],
)
def test_what_is_no_edit_of_code(workspace: Workspace, text: str, by_look: bool) -> None:
    workspace.write("pkg/c.py", text)
    assert workspace.build() == by_look
    assert workspace.build()


def test_a_file_with_a_new_time_is_vouched_for_again(workspace: Workspace) -> None:
    os.utime(workspace.root / "pkg/BUILD", (1_000_000_000, 1_000_000_000))
    before = workspace.snapshot.read_bytes()
    assert workspace.build()
    assert workspace.snapshot.read_bytes() != before


def test_no_later_build_explains_itself_by_what_was_renewed(workspace: Workspace) -> None:
    workspace.write("pkg/c.py", "# why\ndef f():\n    return 1\n")
    assert workspace.build()
    for label in ("//pkg:one", "//pkg:two"):
        path = Path(note_path(str(workspace.root), label, "assemble"))
        key, _, inputs = path.read_bytes().partition(b"\n")
        text = (workspace.root / "pkg/c.py").read_bytes()
        assert json.loads(inputs)[-1]["pkg/c.py"].split()[-1] == hashlib.sha256(text).hexdigest()
        assert key.decode() == hashlib.sha256(inputs).hexdigest()


@pytest.mark.parametrize(
    "note", [b"", b"no note", b"k\n{}", b'k\n["assemble",1,{"pkg/c.py":"of another form"}]']
)
def test_a_damaged_note_stops_no_renewal(workspace: Workspace, note: bytes) -> None:
    Path(note_path(str(workspace.root), "//pkg:one", "assemble")).write_bytes(note)
    workspace.write("pkg/c.py", "# why\ndef f():\n    return 1\n")
    assert workspace.build()


def damage(workspace: Workspace) -> None:
    data = bytearray(workspace.artifact.read_bytes())
    status = workspace.artifact.stat()
    data[100] ^= 1
    workspace.artifact.write_bytes(data)
    os.utime(workspace.artifact, ns=(status.st_atime_ns, status.st_mtime_ns))
    stored = read_stored(str(workspace.snapshot))
    assert stored is not None
    sha256, _ = stored.outputs[str(workspace.artifact)]
    stored.outputs[str(workspace.artifact)] = sha256, present_signature(str(workspace.artifact))
    workspace.snapshot.write_bytes(stored.to_bytes())


ASKING = "import os\n\n\ndef f():\n    return os.path.join(os.path.dirname(__file__), 'words')\n"


@pytest.mark.parametrize(
    ("comment", "by_look"),
    [
        ("# why", True),
        ("# don't.", True),
        ("# see data.txt", True),
        ("# 'words.txt'", False),
        ("# a/b/", False),
    ],
)
def test_code_beside_what_asks_for_files(workspace: Workspace, comment: str, by_look: bool) -> None:
    """Names in quotes count, wherever they stand: they tell which files code reads."""
    workspace.write("pkg/a.py", f"from pkg import c\n{ASKING}")
    assert not workspace.build()
    workspace.write("pkg/c.py", f"{comment}\ndef f():\n    return 1\n")
    assert workspace.build() == by_look


REFUSED: dict[str, Callable[[Workspace], object]] = {
    "an artifact that is gone": lambda each: each.artifact.unlink(),
    "an artifact of other bytes": damage,
    "no table": lambda each: Path(beside(str(each.snapshot), TEXTS)).unlink(),
    "another table": lambda each: Path(beside(str(each.snapshot), TEXTS)).write_text("[{}, {}, 0, []]\n"),
    "garbage": lambda each: Path(beside(str(each.snapshot), TEXTS)).write_bytes(b"\xff"),
    "one more module": lambda each: each.write("pkg/d.py", ""),
    "code of another": lambda each: each.write("pkg/b.py", "from pkg import c, c as d\n"),
    "a module that is a resource too": lambda each: (
        each.write("pkg/BUILD", BUILD.replace("RESOURCES", '{"text.txt": ":c.py"}')),
        each.build(),
    ),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_takes_a_build(workspace: Workspace, change: Callable[[Workspace], object]) -> None:
    change(workspace)
    workspace.write("pkg/c.py", "def f():\n    return 1  # one\n")
    assert not workspace.build()


MODEL = """
model(name = "net", factory = "pkg.net:make", deps = [":code"])
model_package(name = "three", models = {"m/m.pkl": ":net"}, modules = ["pkg.a"],
    policy = [intern("pkg.**"), extern("**")], deps = [":code"])
"""
NET = "import torch\ndef make():\n    return torch.arange(3 << 20, dtype=torch.float32)\n"


def test_tensors_are_hashed_when_they_are_written(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if remembering_hash() is None:
        pytest.skip("this Python does not call a library that has midstates")
    load = '"intern", "model", "extern", '
    workspace.write("pkg/BUILD", BUILD.replace("RESOURCES", "{}").replace('"intern", ', load) + MODEL)
    workspace.write("pkg/net.py", NET)
    assert not workspace.build()
    hashed: list[int] = []
    take = RememberingHash._take
    monkeypatch.setattr(
        RememberingHash, "_take", lambda self, view: (hashed.append(len(view)), take(self, view))
    )
    for number in range(2):
        workspace.write("pkg/c.py", f"def f():\n    return 1  # {number}\n")
        time.sleep(TICK_S)
        hashed.clear()
        _, way = build(workspace.root, workspace.cache)
        assert way.by_look
        assert 0 < sum(hashed) < 3 << 20, "of twelve mebibytes"
    note = Path(note_path(str(workspace.root), "//pkg:three", "midstates"))
    sha256, rows, *rest = json.loads(note.read_bytes())
    assert sha256 == hashlib.sha256((workspace.artifact.parent / "three.pt").read_bytes()).hexdigest()
    for wrong, by_look in (([[rows[-1][0], "00" * 40]], False), ("no rows", True), ([], True)):
        note.write_text(json.dumps([sha256, wrong, *rest]))
        workspace.write("pkg/c.py", f"def f():\n    return 1  # {wrong}\n")
        assert workspace.build() == by_look
        sha256, _, *rest = json.loads(note.read_bytes())


def test_what_an_artifact_was_serves_for_the_next_edit_until_a_build(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)
    monkeypatch.setattr(replaced_records, "WORTHWHILE", 0)
    note = Path(note_path(str(workspace.root), "//pkg:one", "midstates"))
    spare = Path(spare_path(str(workspace.root), "//pkg:one"))
    inodes: list[int] = []

    def edit(text: str) -> bytes:
        inodes.append(workspace.artifact.stat().st_ino)
        workspace.write("pkg/c.py", f"def f():\n    return 1  # {text}\n")
        time.sleep(TICK_S)
        _, way = build(workspace.root, workspace.cache)
        assert way.by_look
        return workspace.artifact.read_bytes()

    for number in range(4):
        edit(f"{number}")
        if not spare.exists():
            pytest.skip("this file system keeps none")
    assert len({*inodes[-3:]}) == 2, "two files take turns"
    for wrong in ([[1, 2, 3, 4, 5], 100], [[1], 2], "spare", [], {}, [None, None], None):
        sha256, rows, _, signature = json.loads(note.read_bytes())
        note.write_text(json.dumps([sha256, rows, wrong, signature]))
        last = edit(f"{wrong}")
    assert spare.exists()
    assert not build(workspace.root, workspace.cache, from_nothing=True)[1].by_look
    assert (workspace.artifact.read_bytes(), os.listdir(spare.parent)) == (last, [])


def test_a_build_keeps_what_has_the_same_tensors(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if remembering_hash() is None:
        pytest.skip("this Python does not call a library that has midstates")
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)
    load = '"intern", "model", "extern", '
    workspace.write("pkg/BUILD", BUILD.replace("RESOURCES", "{}").replace('"intern", ', load) + MODEL)
    workspace.write("pkg/net.py", NET)
    build(workspace.root, workspace.cache)
    spare = Path(spare_path(str(workspace.root), "//pkg:three"))
    artifact = workspace.artifact.parent / "three.pt"
    before = artifact.read_bytes()
    assert not spare.exists()
    inodes: list[int] = []
    for number, by_look in ((2, False), (3, False), ("3  # text", True), (4, False), (5, False)):
        workspace.write("pkg/c.py", f"def f():\n    return {number}\n")
        time.sleep(TICK_S)
        assert build(workspace.root, workspace.cache)[1].by_look == by_look
        if not spare.exists():
            pytest.skip("this file system keeps none")
        assert spare.read_bytes() == before
        before = artifact.read_bytes()
        inodes.append(artifact.stat().st_ino)
    assert len({*inodes}) == 2, "two files take turns"
    # What has another end than it should have is not what is noted, whatever its signature.
    note = Path(note_path(str(workspace.root), "//pkg:three", "midstates"))
    _, *rest = json.loads(note.read_bytes())
    note.write_text(json.dumps(["0" * 64, *rest]))
    workspace.write("pkg/c.py", "def f():\n    return 6\n")
    build(workspace.root, workspace.cache)
    assert not spare.exists()
    workspace.write("pkg/c.py", "def f():\n    return 7\n")
    build(workspace.root, workspace.cache)
    assert spare.exists()
    workspace.write("pkg/net.py", NET.replace("arange(", "arange(1, 1 + "))
    build(workspace.root, workspace.cache)
    assert not spare.exists(), "its tensors are others"
    assert workspace.build(), "it is what a build from nothing gives"


def test_a_full_disk_is_left_to_a_build_that_tells_of_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, snapshot = workspace.artifact.read_bytes(), workspace.snapshot.read_bytes()
    workspace.write("pkg/c.py", "def f():\n    return 1  # one\n")
    replace = text_edits.replace_file

    def fails(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(text_edits, "replace_file", fails)
    time.sleep(TICK_S)
    gave, way = build(workspace.root, workspace.cache)
    assert not way.by_look, "the snapshot could not be kept"
    assert not gave.error
    assert workspace.artifact.read_bytes() != before
    assert workspace.snapshot.read_bytes() != snapshot
    monkeypatch.setattr(text_edits, "replace_file", replace)
    assert workspace.build()


def test_of_two_builds_at_once_the_last_one_vouches_for_what_it_wrote(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has seen a later text, and its artifact stands when the first keeps its snapshot."""
    first, second = "def f():\n    return 1  # one\n", "def f():\n    return 1  # two\n"
    workspace.write("pkg/c.py", first)
    replace = text_edits.replace_file

    def overtaken(*given: str | bytes) -> None:
        monkeypatch.setattr(text_edits, "replace_file", replace)
        workspace.write("pkg/c.py", second)
        time.sleep(TICK_S)
        build(workspace.root, workspace.cache)
        replace(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(text_edits, "replace_file", overtaken)
    time.sleep(TICK_S)
    build(workspace.root, workspace.cache)
    workspace.write("pkg/c.py", first)
    workspace.build()
    with ArchiveReader(str(workspace.artifact)) as reader:
        assert bytes(reader.read("pkg/c.py")) == first.encode()


def test_entries_are_those_of_manifests() -> None:
    for name, data in (("a.py", b"x = 1"), ("größe/b.py", b"")):
        record = ManifestRecord(digest=Digest.of(data), kind=RecordKind.MODULE)
        assert text_edits._entry(name, data) == entry_bytes(name, record)


def files_of(*paths: str) -> ObservedTable:
    return ObservedTable.of(dict.fromkeys(paths, ("00" * 32, None)))


def table_of(uses: TextUses, labels: Collection[str], files: ObservedTable, **given: Any) -> TextTable:
    table = uses.table(labels, files, by_text=(), **given)
    assert table is not None
    return table


def values_of(table: TextTable | None) -> tuple[object, ...]:
    assert table is not None
    return table.records, table.packed, table.listed, table.searched


TABLE = TextTable(
    {0: "a.py", 2: "\udcff.py"},
    {"//a": array("I", [0, 2, 1]), "//b": array("I")},
    {"//c": array("I", [0])},
    [0],
)


def test_tables_are_kept_as_they_are() -> None:
    assert values_of(TextTable.of_bytes(TABLE.to_bytes())) == values_of(TABLE)
    for wrong in (TABLE.to_bytes() + b"more", TABLE.to_bytes()[:-4]):
        with pytest.raises(ValueError, match="number of"):
            TextTable.of_bytes(wrong)


def test_tables_follow_their_files_to_other_numbers() -> None:
    again = TABLE.renumbered({0: 7, 1: 3})
    assert values_of(again) == (
        {7: "a.py"},
        {"//a": array("I", [7, 3]), "//b": array("I")},
        {"//c": array("I", [7])},
        {7},
    )
    assert TABLE.renumbered({1: 0, 2: 1}) is None, "a digest is made of all files that are listed"


def test_of_targets_that_were_not_built_the_table_before_tells() -> None:
    uses = TextUses()
    uses.note_packed("//b", ["/w/c.py", "/w/new.py", "/w/read.py"], ["c.py", "new.py", "read.py"])
    uses.note_packed("//d", ["/w/twice.py"], ["other.py"])
    c, twice = 0, 1
    before = TextTable(
        {c: "c.py", twice: "twice.py"}, {"//a": array("I", [c, twice]), "//gone": array("I", [c])}, {}
    )
    files = files_of("/w/c.py", "/w/twice.py", "/w/read.py", "/w/new.py")
    table = table_of(uses, {"//a", "//b", "//d"}, files, known=range(3), before=before)
    assert table.records == {c: "c.py", files.place("/w/new.py"): "new.py"}
    assert {label: [*held] for label, held in table.packed.items()} == {
        "//a": [c, twice],
        "//b": [c, 3, 2],
        "//d": [twice],
    }


def test_of_files_that_a_snapshot_lacks_there_is_no_table() -> None:
    uses = TextUses()
    uses.note_listed("//b", ["/w/b.py"])
    assert uses.table({"//b"}, files_of("/w/a.py"), by_text=()) is None


def test_a_file_that_is_two_records_is_not_only_a_text() -> None:
    files = files_of("/w/c.py", "/w/e.py", "/w/f.py")
    uses = TextUses()
    paths = ["/w/c.py", "/w/c.py", "/w/e.py", "/w/f.py"]
    uses.note_packed("//a", paths, ["c.py", "d.py", "e.py", "f.py"])
    assert table_of(uses, {"//a"}, files).records == {1: "e.py", 2: "f.py"}
    uses.note_packed("//b", ["/w/e.py"], ["other/e.py"])
    assert table_of(uses, {"//a", "//b"}, files).records == {2: "f.py"}


def test_snapshots_know_their_workspace(workspace: Workspace) -> None:
    assert root_of(str(workspace.snapshot)) == str(workspace.root)
    assert root_of("/hermpkg-out/.hermpkg/requests/1.json") == "/"
