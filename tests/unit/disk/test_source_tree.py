"""The source tree answers for one state of the sources, and knows all it looked at."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.source_tree import SourceTree, listing_digest
from hermpkg_build.errors import ActionError
from hermpkg_build.store.cache import Cache, open_cache

LATER = 10 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(cache_directory: str):
    cache = open_cache(cache_directory)
    yield cache
    cache.close()


def settled_tree(cache: Cache) -> SourceTree:
    """A tree to which everything that exists now has been as it is for long."""
    return SourceTree(cache.digests, started_ns=time.time_ns() + LATER)


def test_entries_are_sorted_and_tell_folders(folder: Path) -> None:
    for name in ("b.py", "a.py", "B.py", "mod.pyc", ".hidden", "ä.txt"):
        (folder / name).touch()
    (folder / "sub").mkdir()
    (folder / "__pycache__").mkdir()
    entries = SourceTree().entries(str(folder))
    assert entries is not None
    assert list(entries.items()) == [
        (".hidden", False),
        ("B.py", False),
        ("a.py", False),
        ("b.py", False),
        ("mod.pyc", False),
        ("sub", True),
        ("ä.txt", False),
    ]


def test_links_count_as_what_they_lead_to(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "sub").mkdir()
    (folder / "to file").symlink_to("file")
    (folder / "to folder").symlink_to("sub")
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "self").symlink_to(".")
    entries = SourceTree().entries(str(folder))
    assert entries == {"file": False, "self": True, "sub": True, "to file": False, "to folder": True}


def test_what_is_neither_file_nor_folder_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # the path of a socket is short by law
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert SourceTree().entries(str(folder)) == {}


def test_names_that_are_no_text_are_kept_apart(folder: Path) -> None:
    try:
        for name in (b"\xff.py", b"\xfe.py"):
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    tree = SourceTree()
    entries = tree.entries(str(folder))
    assert entries is not None
    assert {os.fsencode(name) for name in entries} == {b"\xff.py", b"\xfe.py"}
    for name in entries:
        assert tree.read(f"{folder}/{name}") == os.fsencode(name)
    assert tree.observed_directories()[str(folder)] == listing_digest(entries)


@pytest.mark.parametrize("path", ["absent", "file", "file/below", "loop", "x" * 300])
def test_what_is_no_folder_has_no_entries(folder: Path, path: str) -> None:
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    tree = SourceTree()
    assert tree.entries(str(folder / path)) is None
    assert tree.observed_directories() == {str(folder / path): listing_digest(None)}
    assert not tree.is_file(str(folder / path / "x.py"))


def test_a_folder_without_the_right_to_read_has_no_entries(plain_user: str) -> None:
    hidden = Path(plain_user, "hidden")
    hidden.mkdir(mode=0o000)
    assert SourceTree().entries(str(hidden)) is None
    assert SourceTree().entries(str(hidden / "sub")) is None


def test_a_listing_does_not_change_while_the_tree_lives(folder: Path) -> None:
    tree = SourceTree()
    assert not tree.is_file(f"{folder}/new.py")
    (folder / "new.py").touch()
    assert not tree.is_file(f"{folder}/new.py")
    assert tree.entries(str(folder)) == {}
    assert SourceTree().is_file(f"{folder}/new.py")


def test_is_file(folder: Path) -> None:
    (folder / "a.py").touch()
    (folder / "sub").mkdir()
    (folder / "broken.py").symlink_to("nowhere")
    tree = SourceTree()
    assert tree.is_file(f"{folder}/a.py")
    assert not tree.is_file(f"{folder}/sub")
    assert not tree.is_file(f"{folder}/sub/")
    assert not tree.is_file(f"{folder}/broken.py")
    assert not tree.is_file(f"{folder}/absent/a.py")
    assert not tree.is_file("/no such folder at the root")
    assert {"/", str(folder), f"{folder}/absent"} <= tree.observed_directories().keys()


def test_the_digest_of_a_listing_is_of_names_and_kinds() -> None:
    digests = [
        listing_digest(entries)
        for entries in (
            None,
            {},
            {"a": False},
            {"a": True},
            {"a": False, "b": False},
            {"ab": False},
            {"a/b": False},
        )
    ]
    assert len(set(digests)) == len(digests)
    assert listing_digest({"a": True}) == digests[3]


def test_running_python_in_a_folder_does_not_change_its_listing(folder: Path) -> None:
    (folder / "a.py").touch()
    first, second = SourceTree(), SourceTree()
    first.entries(str(folder))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.cpython-311.pyc").touch()
    second.entries(str(folder))
    assert first.observed_directories() == second.observed_directories()


@pytest.mark.parametrize("data", [b"", b"x = 1\n", os.urandom(3 << 20)])
def test_read_and_digest_are_observed(folder: Path, data: bytes) -> None:
    (folder / "a").write_bytes(data)
    (folder / "b").write_bytes(data)
    tree = SourceTree()
    assert tree.read(f"{folder}/a") == data
    assert tree.digest(f"{folder}/b") == Digest.of(data)
    assert tree.observed_files() == {f"{folder}/a": Digest.of(data), f"{folder}/b": Digest.of(data)}
    assert tree.digests([f"{folder}/b", f"{folder}/a"]) == [Digest.of(data)] * 2


@pytest.mark.parametrize("way", ["read", "digest"])
def test_what_cannot_be_read(folder: Path, way: str, cache: Cache) -> None:
    (folder / "file").touch()
    os.mkfifo(folder / "pipe")
    for tree in (SourceTree(), SourceTree(cache.digests)):
        read = getattr(tree, way)
        with pytest.raises(FileNotFoundError):
            read(f"{folder}/absent")
        with pytest.raises(FileNotFoundError):
            read(f"{folder}/absent folder/file")
        with pytest.raises(NotADirectoryError):
            read(f"{folder}/file/below")
        with pytest.raises(IsADirectoryError):
            read(str(folder))
        with pytest.raises(OSError, match="Not a regular file"):
            read(f"{folder}/pipe")
        assert tree.observed_files() == {}
        # An absent file is observed through its folder, so that one that appears is noticed.
        assert {str(folder), f"{folder}/absent folder"} <= tree.observed_directories().keys()


def test_files_of_the_system_whose_size_is_zero_are_read_whole() -> None:
    path = "/proc/self/status"
    if not os.path.exists(path):
        pytest.skip("there is no /proc")
    assert b"Pid:" in SourceTree().read(path)


@pytest.mark.parametrize("first", ["read", "digest"])
def test_a_file_that_changes_between_two_reads_is_an_error(folder: Path, first: str) -> None:
    path = folder / "a.py"
    path.write_bytes(b"x = 1")
    tree = SourceTree()
    getattr(tree, first)(str(path))
    path.write_bytes(b"x = 2")
    with pytest.raises(ActionError, match="changed while") as caught:
        tree.read(str(path))
    assert caught.value.facts == (("file", str(path)),)
    assert "again" in caught.value.next_step
    assert tree.digest(str(path)) == Digest.of(b"x = 1")


class Writer:
    """Stands in for `os.read`: after each piece that is read, another program writes to the file."""

    def __init__(self, path: Path, contents: list[bytes], tick) -> None:
        self._path, self._contents, self._tick, self._read = path, contents, tick, os.read

    def read(self, descriptor: int, size: int) -> bytes:
        data = self._read(descriptor, size)
        if self._contents:
            self._tick()
            self._path.write_bytes(self._contents.pop(0))
        return data


@pytest.mark.parametrize("way", ["read", "digest"])
def test_a_file_that_is_written_meanwhile_is_read_again(
    folder: Path, way: str, tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.py"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "read", Writer(path, [b"new!"], tick).read)
    tree = SourceTree()
    assert getattr(tree, way)(str(path)) in (b"new!", Digest.of(b"new!"))
    assert tree.observed_files() == {str(path): Digest.of(b"new!")}


@pytest.mark.parametrize("way", ["read", "digest"])
def test_a_file_that_never_rests_is_an_error(
    folder: Path, way: str, tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "log"
    path.write_bytes(b"00")
    monkeypatch.setattr(os, "read", Writer(path, [b"%d" % state for state in range(10, 60)], tick).read)
    with pytest.raises(ActionError, match="changed while"):
        getattr(SourceTree(), way)(str(path))


def test_the_index_saves_reading(folder: Path, cache: Cache, tick) -> None:
    path = folder / "a.py"
    path.write_bytes(b"x = 1")
    settled_tree(cache).digest(str(path))
    assert cache.digests.get(str(path), signature_of(path.stat())) == Digest.of(b"x = 1")
    # A digest that no reading could give shows that the next tree does not read.
    planted = Digest(Digest.of(b"planted").hash, 5)
    cache.digests.record(str(path), signature_of(path.stat()), planted)
    assert SourceTree(cache.digests).digest(str(path)) == planted
    assert SourceTree(cache.digests).digests([str(path)]) == [planted]
    tick()
    path.write_bytes(b"x = 2")
    assert SourceTree(cache.digests).digest(str(path)) == Digest.of(b"x = 2")


def test_an_edit_that_keeps_size_and_mtime_is_noticed(folder: Path, cache: Cache, tick) -> None:
    path = folder / "a.py"
    path.write_bytes(b"x = 1")
    before = path.stat()
    settled_tree(cache).digest(str(path))
    tick()
    path.write_bytes(b"x = 2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert settled_tree(cache).digest(str(path)) == Digest.of(b"x = 2")


def test_a_file_that_took_the_place_of_another_is_noticed(folder: Path, cache: Cache, tick) -> None:
    path, other = folder / "a.py", folder / "b.py"
    path.write_bytes(b"x = 1")
    other.write_bytes(b"x = 2")
    for file in (path, other):
        os.utime(file, ns=(0, 0))
    settled_tree(cache).digests([str(path), str(other)])
    tick()
    other.replace(path)
    assert settled_tree(cache).digest(str(path)) == Digest.of(b"x = 2")


def test_a_link_that_leads_elsewhere_is_noticed(folder: Path, cache: Cache) -> None:
    link = folder / "link.py"
    for name in "ab":
        (folder / name).write_text(name)
    link.symlink_to("a")
    assert settled_tree(cache).digest(str(link)) == Digest.of(b"a")
    link.unlink()
    link.symlink_to("b")
    assert settled_tree(cache).digest(str(link)) == Digest.of(b"b")


def test_a_file_written_just_now_is_not_recorded(folder: Path, cache: Cache) -> None:
    path = folder / "a.py"
    path.write_bytes(b"x = 1")
    tree = SourceTree(cache.digests)
    tree.digest(str(path))
    assert cache.digests.get(str(path), signature_of(path.stat())) is None
    assert tree.observed_signatures() == {}


def test_an_index_that_was_wrong_is_put_right_by_the_error(folder: Path, cache: Cache) -> None:
    path = folder / "a.py"
    path.write_bytes(b"x = 1")
    cache.digests.record(str(path), signature_of(path.stat()), Digest(Digest.of(b"lie").hash, 5))
    tree = SourceTree(cache.digests)
    tree.digest(str(path))
    with pytest.raises(ActionError):
        tree.read(str(path))
    again = SourceTree(cache.digests)
    assert again.digest(str(path)) == Digest.of(b"x = 1")
    assert again.read(str(path)) == b"x = 1"


def test_signatures_vouch_for_files_and_folders(folder: Path, cache: Cache) -> None:
    (folder / "a.py").write_bytes(b"")
    tree = settled_tree(cache)
    tree.entries(str(folder))
    tree.entries(str(folder / "absent"))
    tree.read(str(folder / "a.py"))
    assert tree.observed_signatures() == {
        str(folder): signature_of(folder.stat()),
        str(folder / "a.py"): signature_of((folder / "a.py").stat()),
    }


def test_no_signature_vouches_for_a_folder_with_links(folder: Path, cache: Cache) -> None:
    """Where a link leads can turn from a file to a folder, and nothing shows in the folder of the link."""
    (folder / "target").touch()
    (folder / "links").mkdir()
    (folder / "links" / "link").symlink_to("../target")
    first = settled_tree(cache)
    assert first.entries(str(folder / "links")) == {"link": False}
    before = signature_of((folder / "links").stat())
    (folder / "target").unlink()
    (folder / "target").mkdir()
    second = settled_tree(cache)
    assert second.entries(str(folder / "links")) == {"link": True}
    assert signature_of((folder / "links").stat()) == before
    assert str(folder / "links") not in first.observed_signatures()


def test_threads_share_one_view(folder: Path, cache: Cache) -> None:
    for number in range(100):
        (folder / f"{number}.py").write_text(str(number))
    paths = [str(path) for path in folder.iterdir()] * 4
    tree = settled_tree(cache)

    def look(path: str) -> tuple[Digest, bool, int]:
        return tree.digest(path), tree.is_file(path), id(tree.entries(str(folder)))

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(look, paths))
    assert [digest for digest, _, _ in seen] == [Digest.of(Path(path).read_bytes()) for path in paths]
    assert len({listing for _, _, listing in seen}) == 1
    assert len(tree.observed_files()) == 100


def test_absent_folders_follow_from_the_listing_that_has_not_got_them(folder: Path) -> None:
    (folder / "there").mkdir()
    tree = SourceTree()
    asked = {name: str(folder / name) for name in ("there", "absent", "absent/inner", "__pycache__")}
    for path in asked.values():
        tree.entries(path)
    assert not any(map(tree.follows_from_others, asked.values())), "nobody listed the folder"
    tree.entries(str(folder))
    follow = [name for name, path in asked.items() if tree.follows_from_others(path)]
    assert follow == ["absent", "absent/inner"]


def test_what_another_tree_has_seen_is_seen_here(tmp_path: Path, cache: Cache) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name)
    one, other = settled_tree(cache), SourceTree()
    other.read(str(tmp_path / "a"))
    before = other.seen()[1]
    other.digests_for_targets([str(tmp_path / "b")])
    other.digest_for_code(str(tmp_path / "c"))
    other.digest(str(tmp_path / "d"))
    other.entries(str(tmp_path))
    other.entries(str(tmp_path / "absent"))
    assert one.take(pickle.loads(pickle.dumps(other.seen(before)[0])))
    assert {os.path.basename(path) for path in one.observed_files()} == {"b", "c", "d"}
    assert one.take(other.seen()[0])
    assert one.observed_files() == other.observed_files()
    assert one.observed_directories() == other.observed_directories()
    assert one._signatures == other._signatures
    assert one.shared_files() == other.shared_files()
    assert one.files_by_text() == other.files_by_text()
    for path, digest in one.observed_files().items():
        assert cache.digests.get(path, signature_of(os.stat(path))) == digest, "nobody reads it again"
    assert other.seen(other.seen()[1])[0] == ([], [], [], [], [])


def test_what_another_tree_has_seen_otherwise_is_not_taken(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    changes: list[Callable[[], object]] = [lambda: file.write_text("more"), (folder / "new").mkdir]
    for change in changes:
        file.write_text("one")
        folder.mkdir(exist_ok=True)
        one, other = SourceTree(), SourceTree()
        one.digest(str(file))
        one.entries(str(folder))
        known = one.seen()
        change()
        (tmp_path / "third").write_text("3")
        other.digest(str(file))
        other.entries(str(folder))
        other.digest(str(tmp_path / "third"))
        assert not one.take(other.seen()[0])
        assert one.seen() == known, "nothing of it"
