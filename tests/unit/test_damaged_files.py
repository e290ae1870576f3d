"""Files that are damaged, or made to do harm, are told in one way or passed over; nothing else is raised."""

from __future__ import annotations

import errno
import json
import os
import zlib
from pathlib import Path

import pytest

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.editable_hooks import read_hook
from hermpkg_build.analysis.search_path import read_search_path
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.label import Label
from hermpkg_build.core.manifest import Manifest, ManifestRecord, ManifestTool, RecordKind
from hermpkg_build.core.quantities import read_size
from hermpkg_build.disk.cache_tag import TAG_NAME, is_cache
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.disk.unchanged_files import read_file
from hermpkg_build.engine.durations import known_durations
from hermpkg_build.engine.notes import NoteBook
from hermpkg_build.engine.remote.facts import decode_pack, encode_pack
from hermpkg_build.engine.snapshot import find_change
from hermpkg_build.errors import ActionError, ArchiveError
from hermpkg_build.factories.checkpoints import read_checkpoint
from hermpkg_build.store.content import SEALED_NS, ContentStore
from hermpkg_build.store.usage import read_notes

DEEP = "[" * 100_000
HUGE = "9" * 5_000
DIGEST = Digest.of(b"x")


def test_a_size_that_no_number_holds_is_no_digest():
    """Also among very many records, which are not read one by one."""
    record = ManifestRecord(digest=DIGEST, kind=RecordKind.MODULE)
    names = [f"m{number}.py" for number in range(100)]
    manifest = Manifest(
        tool=ManifestTool(name="t", version="1"), python_version="3", records=dict.fromkeys(names, record)
    )
    form = json.loads(dumps(to_json(manifest)))
    assert Manifest.from_bytes(dumps(form)).records["m7.py"] == record
    form["records"]["m7.py"]["digest"] = f"{DIGEST.hash}/{HUGE}"
    with pytest.raises(ArchiveError, match="not well formed"):
        Manifest.from_bytes(dumps(form))


def test_facts_of_a_server_under_no_digest_are_left_out():
    sound = zlib.decompress(encode_pack({DIGEST: b"facts"}))
    line = f"{DIGEST.hash}/{HUGE} facts\n".encode()
    assert decode_pack(zlib.compress(line + sound)) == {DIGEST: b"facts"}


@pytest.mark.parametrize("text", [f"{HUGE}GB", "9" * 300 + "PB", "1e9"])
def test_a_size_beyond_all_disks_is_refused(text: str):
    with pytest.raises(ValueError, match="a size such as"):
        read_size(text)


@pytest.mark.parametrize(
    "noted", [DEEP, f'[["a","b",{HUGE[:400]}]]', '[["a","b",-1]]', '[["a","b",NaN]]', "{}"]
)
def test_durations_that_are_none_are_not_known(tmp_path: Path, noted: str):
    path = tmp_path / STATE_FOLDER / "durations.json"
    path.parent.mkdir(parents=True)
    path.write_text(noted)
    assert known_durations(str(tmp_path)) == {}


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_snapshot_of_relative_paths_does_not_hold(is_folder: bool):
    entries = {"a/b": ("0" * 64, None)}
    assert find_change([{} if is_folder else entries], entries if is_folder else {})[0] == "a/b"


@pytest.mark.parametrize(
    "stated",
    [
        DEEP,
        '{"dir_info":{"editable":true},"url":{}}',
        '{"dir_info":{"editable":true},"url":[1]}',
        '{"dir_info":1}',
    ],
)
def test_a_distribution_with_damaged_metadata_owns_nothing_elsewhere(tmp_path: Path, stated: str):
    info = tmp_path / "thing-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(stated)
    known = Distributions([str(tmp_path)], SourceTree())
    assert known.owner_of("/elsewhere/thing.py") is None
    assert known.named("thing") is not None


@pytest.mark.parametrize(
    "source", ["x = " + "(" * 3_000, "x = " + "-" * 5_000 + "1", "x\0", "MAPPING = {[]: 1}"]
)
def test_a_hook_that_cannot_be_read_finds_nothing(source: str):
    assert read_hook(source.encode(), SourceTree()) == ({}, {})


def test_paths_that_no_file_can_have_are_searched_nowhere(tmp_path: Path):
    site, right = tmp_path / "site-packages", tmp_path / "right"
    site.mkdir()
    right.mkdir()
    (site / "x.pth").write_bytes(b"/a\0b\n" + os.fsencode(right) + b"\n")
    found = read_search_path(SourceTree(), [str(site)], workspace_root="/nowhere")
    assert [folder.directory for folder in found.folders] == [str(site), str(right)]
    assert SourceTree().entries("/a\0b") is None


@pytest.mark.parametrize("index", [DEEP, '{"weight_map":{"a":"\\ud800"}}', '{"weight_map":{"a":"list.pt"}}'])
def test_a_damaged_index_of_weights_is_told(tmp_path: Path, index: str):
    torch = pytest.importorskip("torch")
    torch.save([1, 2], tmp_path / "list.pt")
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(index)
    with pytest.raises(ActionError, match="cannot be read"):
        read_checkpoint(str(path), path.name, has_shards=True)


def test_notes_of_a_cache_that_are_none_are_passed_over(tmp_path: Path):
    path = tmp_path / "notes"
    path.write_text(DEEP)
    assert read_notes(str(path)) is None
    path.unlink()
    os.mkfifo(path)
    assert read_notes(str(path)) is None


def test_a_file_with_a_hole_of_a_terabyte_is_too_large(tmp_path: Path):
    """It takes no room on the disk, and a clone can hold some gigabytes as easily."""
    path = tmp_path / "hole.py"
    path.touch()
    os.truncate(path, 1 << 40)
    for read in (read_file, read_limited, SourceTree().read):
        with pytest.raises(OSError, match="more than") as caught:
            read(str(path))
        assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))


def test_an_output_of_another_size_is_not_read(tmp_path: Path):
    """Reading a terabyte to see that it is no artifact takes an hour."""
    path = tmp_path / "out.pt"
    path.touch()
    os.truncate(path, 1 << 40)
    book = NoteBook(str(tmp_path), None)  # type: ignore[arg-type] # Nothing is told.
    assert not book.is_in_place(Label.parse("//a:b"), str(path), DIGEST)
    assert find_change([{str(path): (DIGEST.hash, (1, 2, 3, 4, 5))}], {})[0] == str(path)


def test_contents_of_another_size_are_not_read_and_replaced(tmp_path: Path):
    store = ContentStore(str(tmp_path))
    digest = store.put_bytes(b"contents")
    path = store.path_of(digest)
    assert path is not None
    os.chmod(path, 0o600)
    os.truncate(path, 1 << 40)
    os.utime(path, ns=(0, SEALED_NS))
    assert store.get_bytes(digest) is None
    store.put_bytes(b"contents")
    assert store.get_bytes(digest) == b"contents"


def test_a_marker_of_a_cache_with_a_hole_marks_none(tmp_path: Path):
    (tmp_path / TAG_NAME).touch()
    os.truncate(tmp_path / TAG_NAME, 1 << 40)
    assert not is_cache(str(tmp_path))
