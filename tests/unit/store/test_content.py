"""The content store gives back what was put, or nothing."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.errors import ActionError, LocalEnvironmentError
from hermpkg_build.store.content import ContentStore


@pytest.fixture
def store(cache_directory: str) -> ContentStore:
    return ContentStore(cache_directory)


def stored_path(store: ContentStore, digest: Digest) -> Path:
    path = store.path_of(digest)
    assert path is not None
    return Path(path)


def damage(path: Path, data: bytes, *, keep_mtime: bool) -> None:
    """Overwrite a stored file in place, as a failing disk (the mtime stays) or a program would."""
    before = path.stat()
    os.chmod(path, 0o644)
    path.write_bytes(data)
    if keep_mtime:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def files_in(folder: str) -> list[str]:
    return [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 9000])
def test_bytes_come_back(store: ContentStore, data: bytes) -> None:
    digest = store.put_bytes(data)
    assert digest == Digest.of(data)
    assert store.get_bytes(digest) == data
    assert stored_path(store, digest).read_bytes() == data


def test_absent_content_is_none(store: ContentStore) -> None:
    digest = Digest.of(b"never put")
    assert store.get_bytes(digest) is None
    assert store.path_of(digest) is None


def test_a_stored_file_is_read_only_and_alone(store: ContentStore) -> None:
    old = os.umask(0o077)
    try:
        digest = store.put_bytes(b"data")
    finally:
        os.umask(old)
    assert stat.S_IMODE(stored_path(store, digest).stat().st_mode) == 0o444
    assert files_in(store.root) == [str(stored_path(store, digest))]


def test_the_same_bytes_keep_the_same_file(store: ContentStore, tmp_path: Path) -> None:
    inode = stored_path(store, store.put_bytes(b"data")).stat().st_ino
    source = tmp_path / "source"
    source.write_bytes(b"data")
    store.put_file(str(source), Digest.of(b"data"), move=True)
    assert stored_path(store, store.put_bytes(b"data")).stat().st_ino == inode
    assert not source.exists()


def test_put_file_copies(store: ContentStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"data")
    before = source.stat()
    store.put_file(str(source), Digest.of(b"data"))
    assert store.get_bytes(Digest.of(b"data")) == b"data"
    assert source.read_bytes() == b"data"
    assert (source.stat().st_mode, source.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_put_file_moves_without_copying(store: ContentStore) -> None:
    with store.staging() as folder:
        source = Path(folder, "source")
        source.write_bytes(b"data")
        inode = source.stat().st_ino
        store.put_file(str(source), Digest.of(b"data"), move=True)
        assert not source.exists()
    assert stored_path(store, Digest.of(b"data")).stat().st_ino == inode
    assert store.get_bytes(Digest.of(b"data")) == b"data"


def test_put_file_moves_from_another_file_system(store: ContentStore, small_disk: str) -> None:
    source = Path(small_disk, "source")
    source.write_bytes(b"data")
    store.put_file(str(source), Digest.of(b"data"), move=True)
    assert store.get_bytes(Digest.of(b"data")) == b"data"
    assert not source.exists()


def test_moving_a_symbolic_link_stores_what_it_leads_to(store: ContentStore, tmp_path: Path) -> None:
    original, link = tmp_path / "original", tmp_path / "link"
    original.write_bytes(b"data")
    link.symlink_to(original)
    store.put_file(str(link), Digest.of(b"data"), move=True)
    assert not stored_path(store, Digest.of(b"data")).is_symlink()
    original.write_bytes(b"more")
    assert store.get_bytes(Digest.of(b"data")) == b"data"
    assert not link.is_symlink()


def test_moving_a_file_with_a_second_name_cuts_the_tie(store: ContentStore, tmp_path: Path) -> None:
    source, second = tmp_path / "source", tmp_path / "second"
    source.write_bytes(b"data")
    os.link(source, second)
    store.put_file(str(source), Digest.of(b"data"), move=True)
    second.write_bytes(b"evil")
    assert store.get_bytes(Digest.of(b"data")) == b"data"


@pytest.mark.parametrize("move", [False, True])
def test_a_file_that_is_not_what_its_digest_says_is_refused(
    store: ContentStore, tmp_path: Path, move: bool
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"data, and more since")
    with pytest.raises(ActionError, match="changed while") as caught:
        store.put_file(str(source), Digest.of(b"data"), move=move)
    assert ("file", str(source)) in caught.value.facts
    assert store.get_bytes(Digest.of(b"data")) is None
    assert files_in(store.root) == []


def test_a_copied_file_of_the_right_size_is_still_hashed(store: ContentStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"dat4")
    with pytest.raises(ActionError):
        store.put_file(str(source), Digest.of(b"data"))
    assert store.path_of(Digest.of(b"data")) is None


def test_a_source_that_cannot_be_read_is_no_fault_of_the_cache(store: ContentStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.put_file(str(tmp_path / "absent"), Digest.of(b"data"))
    with pytest.raises(FileNotFoundError):
        store.put_file(str(tmp_path / "absent"), Digest.of(b"data"), move=True)
    with pytest.raises(IsADirectoryError):
        store.put_file(str(tmp_path), Digest.of(b"data"))


@pytest.mark.parametrize("keep_mtime", [False, True])
@pytest.mark.parametrize("wrong", [b"dat4", b"dat", b"data!", b""])
def test_damage_is_a_logged_miss_that_the_next_put_heals(
    store: ContentStore, wrong: bytes, keep_mtime: bool, caplog: pytest.LogCaptureFixture
) -> None:
    digest = store.put_bytes(b"data")
    path = stored_path(store, digest)
    damage(path, wrong, keep_mtime=keep_mtime)
    with caplog.at_level(logging.INFO, "hermpkg_build.store"):
        assert store.get_bytes(digest) is None
    assert str(path) in caplog.text
    assert store.path_of(digest) is None
    assert store.put_bytes(b"data") == digest
    assert store.get_bytes(digest) == b"data"
    assert stored_path(store, digest).read_bytes() == b"data"


def test_path_of_hashes_a_file_whose_seal_is_broken(store: ContentStore) -> None:
    digest = store.put_bytes(b"data")
    path = stored_path(store, digest)
    damage(path, b"dat4", keep_mtime=False)
    assert store.path_of(digest) is None
    assert store.put_bytes(b"data") == digest
    assert stored_path(store, digest).read_bytes() == b"data"


def test_a_right_file_with_a_broken_seal_is_sealed_again(store: ContentStore) -> None:
    digest = store.put_bytes(b"data")
    path = stored_path(store, digest)
    sealed = path.stat()
    damage(path, b"data", keep_mtime=False)
    assert store.path_of(digest) == str(path)
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (sealed.st_mode, sealed.st_mtime_ns)


def test_a_folder_in_the_place_of_content_is_a_miss(store: ContentStore) -> None:
    digest = store.put_bytes(b"data")
    path = stored_path(store, digest)
    path.unlink()
    path.mkdir()
    assert store.path_of(digest) is None
    assert store.get_bytes(digest) is None


def test_a_link_in_the_place_of_content_is_never_trusted(store: ContentStore, tmp_path: Path) -> None:
    digest = store.put_bytes(b"data")
    path = stored_path(store, digest)
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    os.chmod(outside, 0o644)
    outside.write_bytes(b"dat4")
    assert store.path_of(digest) is None


def test_contents_behind_are_read_and_never_written(tmp_path: Path) -> None:
    behind = ContentStore(str(tmp_path / "behind"))
    digest = behind.put_bytes(b"old")
    before = sorted(files_in(behind.root))
    store = ContentStore(str(tmp_path / "front"), read_only=[behind.root])
    assert store.get_bytes(digest) == b"old"
    assert store.path_of(digest) == behind.path_of(digest)
    new = store.put_bytes(b"new")
    assert store.get_bytes(new) == b"new"
    assert behind.get_bytes(new) is None
    assert sorted(files_in(behind.root)) == before


def test_what_is_damaged_behind_is_put_in_front(tmp_path: Path) -> None:
    behind = ContentStore(str(tmp_path / "behind"))
    digest = behind.put_bytes(b"data")
    damage(stored_path(behind, digest), b"dat4", keep_mtime=False)
    store = ContentStore(str(tmp_path / "front"), read_only=[behind.root])
    assert store.get_bytes(digest) is None
    store.put_bytes(b"data")
    assert store.get_bytes(digest) == b"data"


def test_staging_is_private_and_removed_whatever_happens(store: ContentStore) -> None:
    def work(first: str, second: str) -> None:
        folders.extend([first, second])
        assert first != second
        assert os.stat(first).st_dev == os.stat(store.root).st_dev
        assert stat.S_IMODE(os.stat(first).st_mode) == 0o700
        Path(first, "sub").mkdir()
        Path(first, "sub", "file").write_bytes(b"x")
        os.chmod(Path(first, "sub", "file"), 0o444)
        raise RuntimeError

    folders: list[str] = []
    with pytest.raises(RuntimeError), store.staging() as first, store.staging() as second:
        work(first, second)
    assert len(folders) == 2
    assert not any(os.path.exists(folder) for folder in folders)


def test_a_store_that_is_deleted_meanwhile_is_made_again(store: ContentStore) -> None:
    store.put_bytes(b"one")
    os.rename(store.root, f"{store.root}.gone")
    digest = store.put_bytes(b"two")
    assert store.get_bytes(digest) == b"two"
    with store.staging() as folder:
        assert os.path.isdir(folder)


@pytest.mark.parametrize("put", ["bytes", "copy", "move"])
def test_a_full_disk_is_an_error_with_folder_space_and_next_step(
    small_disk: str, tmp_path: Path, put: str
) -> None:
    store = ContentStore(os.path.join(small_disk, "cache"))
    kept = store.put_bytes(b"kept")
    data = bytes(2 << 20)
    source = tmp_path / "source"
    source.write_bytes(data)
    ways = {
        "bytes": lambda: store.put_bytes(data),
        "copy": lambda: store.put_file(str(source), Digest.of(data)),
        "move": lambda: store.put_file(str(source), Digest.of(data), move=True),
    }
    with pytest.raises(LocalEnvironmentError, match="no space left") as caught:
        ways[put]()
    facts = dict(caught.value.facts)
    assert facts["folder"] == store.root
    assert facts["free"].endswith(" bytes")
    assert "--cache-dir" in caught.value.next_step
    assert "cache gc" in caught.value.next_step
    assert source.read_bytes() == data
    assert files_in(store.root) == [store.path_of(kept)]


def test_a_store_without_the_right_to_write_is_an_error(plain_user: str) -> None:
    store = ContentStore(os.path.join(plain_user, "cache"))
    os.chmod(plain_user, 0o500)
    try:
        with pytest.raises(LocalEnvironmentError, match="cannot be written") as caught:
            store.put_bytes(b"data")
        assert dict(caught.value.facts)["reason"] == "Permission denied"
        assert "--cache-dir" in caught.value.next_step
        with pytest.raises(LocalEnvironmentError), store.staging():
            pass
    finally:
        os.chmod(plain_user, 0o700)


def test_moving_a_file_of_another_user_copies_it(plain_user: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file of another user")
    source = Path(tempfile.mkdtemp(prefix="other ", dir=plain_user), "source")
    source.write_bytes(b"data")
    source.chmod(0o644)
    os.seteuid(0)
    os.chown(source, 1, 1)
    os.seteuid(65534)
    store = ContentStore(os.path.join(plain_user, "cache"))
    store.put_file(str(source), Digest.of(b"data"), move=True)
    assert store.get_bytes(Digest.of(b"data")) == b"data"
    assert not source.exists()


@pytest.mark.parametrize("writable", [True, False])
def test_a_check_finds_what_the_disk_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    ours, shared = ContentStore(str(tmp_path / "ours")), ContentStore(str(tmp_path / "shared"))
    store = ContentStore(ours.root, read_only=[shared.root])
    rotten, sound = (ours if writable else shared).put_bytes(b"rotten"), ours.put_bytes(b"sound")
    damage(stored_path(store, rotten), b"rottem", keep_mtime=True)
    assert store.path_of(rotten) is not None  # Its size and time are as they were.
    with monkeypatch.context() as read_only:
        if not writable:
            read_only.setattr(os, "utime", _refuse)
        store.check([rotten, sound, Digest.of(b"absent")])
    assert store.path_of(rotten) is None
    assert store.path_of(sound) is not None
    store.put_bytes(b"rotten")
    assert stored_path(store, rotten).read_bytes() == b"rotten"


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError
