"""The cache opens wherever it can, says where it cannot write, and deletes nothing that is not its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.cache_tag import TAG, TAG_NAME
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache, delete_cache, open_cache
from hermpkg_build.store.survey import root_of

KEY = fingerprint("an action")
RESULT = ActionResult(outputs={"x": Digest.of(b"x")}, facts=None)
SIGNATURE = (4, 1, 2, 3, 4)


def fill(cache: Cache, data: bytes = b"data") -> None:
    cache.content.put_bytes(data)
    cache.actions.put(KEY, RESULT)
    cache.digests.record("/w/a.py", SIGNATURE, Digest.of(data))
    cache.facts.put_many({Digest.of(data): b"facts"}, version="1")


def holds(cache: Cache, data: bytes = b"data") -> list[bool]:
    return [
        cache.content.get_bytes(Digest.of(data)) == data,
        cache.actions.get(KEY) == RESULT,
        cache.digests.get("/w/a.py", SIGNATURE) == Digest.of(data),
        cache.facts.get_many([Digest.of(data)], version="1") == {Digest.of(data): b"facts"},
    ]


def filled(directory: str) -> None:
    cache = open_cache(directory)
    fill(cache)
    cache.close()


def tree_of(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_everything_is_kept_between_two_processes(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    assert cache.writable
    assert cache.warnings == ()
    assert cache.directory == cache_directory
    assert holds(cache) == [False] * 4
    fill(cache)
    assert holds(cache) == [True] * 4
    cache.close()
    cache = open_cache(cache_directory)
    assert holds(cache) == [True] * 4
    cache.close()
    cache.close()


@pytest.mark.parametrize("name", [b"a?b#c%20d&mode=ro", b"\xff\xfe", b"line\nbreak"])
def test_any_name_will_do_for_the_folder(tmp_path: Path, name: bytes) -> None:
    directory = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    try:
        os.mkdir(directory)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    filled(directory)
    cache = open_cache(directory)
    assert holds(cache) == [True] * 4
    cache.close()
    assert os.listdir(tmp_path) == [os.path.basename(directory)]


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = open_cache("cache")
    monkeypatch.chdir("/")
    fill(cache)
    cache.close()
    assert cache.directory == str(tmp_path / "cache")
    assert tree_of(str(tmp_path / "cache"))


def test_the_marker_file_follows_the_specification(cache_directory: str) -> None:
    filled(cache_directory)
    tag = Path(cache_directory, "v1", TAG_NAME).read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    assert b"hermpkg" in tag


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LocalEnvironmentError, match="not a folder") as caught:
            open_cache(str(path))
        assert caught.value.facts == (("path", str(path)),)
        assert "--cache-dir" in caught.value.next_step
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_what_a_kill_left_long_ago_is_cleared(cache_directory: str) -> None:
    filled(cache_directory)
    temporary = Path(cache_directory, "v1", "tmp")
    for name in ("old", "new"):
        (temporary / f"{name} folder").mkdir()
        (temporary / f"{name} folder" / "file").write_bytes(b"x")
        (temporary / f"{name} file").write_bytes(b"x")
    long_ago = time.time() - 7 * 24 * 3600
    os.utime(temporary / "old folder", (long_ago, long_ago))
    os.utime(temporary / "old file", (long_ago, long_ago))
    open_cache(cache_directory).close()
    assert sorted(os.listdir(temporary)) == ["new file", "new folder"]


def check_that_nothing_is_written(directory: str) -> None:
    """With a cache that holds what `fill` puts there, in a folder that cannot be written."""
    before = tree_of(directory)
    cache = open_cache(directory)
    assert not cache.writable
    assert len(cache.warnings) == 1
    assert directory in cache.warnings[0]
    assert holds(cache) == [True] * 4
    digest = cache.content.put_bytes(b"made by this build")
    path = cache.content.path_of(digest)
    assert path is not None
    assert cache.content.get_bytes(digest) == b"made by this build"
    with cache.content.staging() as folder:
        Path(folder, "file").write_bytes(b"moved")
        cache.content.put_file(f"{folder}/file", Digest.of(b"moved"), move=True)
    assert cache.content.get_bytes(Digest.of(b"moved")) == b"moved"
    other = fingerprint("another action")
    cache.actions.put(other, RESULT)
    assert cache.actions.get(other) == RESULT
    cache.facts.put_many({digest: b"facts"}, version="1")
    assert cache.facts.get_many([digest], version="1") == {digest: b"facts"}
    cache.close()
    assert not os.path.exists(path)
    assert tree_of(directory) == before


def test_a_read_only_file_system_is_read(cache_directory: str, read_only) -> None:
    filled(cache_directory)
    read_only(cache_directory)
    check_that_nothing_is_written(cache_directory)


def test_damage_on_a_read_only_file_system_is_a_miss(cache_directory: str, read_only) -> None:
    filled(cache_directory)
    for path in Path(cache_directory).rglob("*"):
        if path.is_file() and path.name != TAG_NAME:
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-1] + b"?")
    read_only(cache_directory)
    cache = open_cache(cache_directory)
    assert not any(holds(cache)[:2])
    fill(cache)
    assert holds(cache) == [True] * 4
    cache.close()


def test_a_folder_of_another_user_is_read(plain_user: str) -> None:
    directory = os.path.join(plain_user, "cache")
    filled(directory)
    folders = [parent for parent, _, _ in os.walk(plain_user)]
    for folder in folders:
        os.chmod(folder, 0o500)
    try:
        check_that_nothing_is_written(directory)
    finally:
        for folder in folders:
            os.chmod(folder, 0o700)


def test_a_folder_in_which_others_can_exchange_files_is_not_believed(
    cache_directory: str, give_away, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(cache_directory)
    give_away(Path(cache_directory))
    before = tree_of(cache_directory)
    cache = open_cache(cache_directory)
    assert not cache.writable
    assert "belongs to" in cache.warnings[0]
    assert holds(cache) == [False] * 4
    fill(cache)
    assert holds(cache) == [True] * 4
    cache.close()
    assert tree_of(cache_directory) == before
    monkeypatch.setenv("HERMPKG_TRUST", cache_directory)
    cache = open_cache(cache_directory)
    assert cache.warnings == ()
    assert holds(cache) == [True] * 4
    cache.close()


def test_a_folder_that_cannot_be_made_is_done_without(plain_user: str) -> None:
    os.chmod(plain_user, 0o500)
    cache = open_cache(os.path.join(plain_user, "cache"))
    assert not cache.writable
    assert "Permission denied" in cache.warnings[0]
    fill(cache)
    assert holds(cache) == [True] * 4
    cache.close()


def test_a_full_disk_is_done_without(small_disk: str) -> None:
    filled(small_disk)
    filler = Path(small_disk, "filler")
    with pytest.raises(OSError, match="space"):
        filler.write_bytes(bytes(2 << 20))
    cache = open_cache(small_disk)
    assert not cache.writable
    assert "No space left" in cache.warnings[0]
    assert holds(cache) == [True] * 4
    cache.content.put_bytes(bytes(8192))
    assert cache.content.get_bytes(Digest.of(bytes(8192))) == bytes(8192)
    cache.close()


def test_the_temporary_store_does_not_outlive_a_process_that_forgets_it() -> None:
    """Run in a process of its own, in which the folder for caches cannot be made."""
    program = (
        "import os, sys\n"
        "from hermpkg_build.store.cache import open_cache\n"
        "cache = open_cache('/proc/no cache here')\n"
        "digest = cache.content.put_bytes(b'data')\n"
        "if os.fork() == 0:\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "assert cache.content.get_bytes(digest) == b'data'\n"
        "print(cache.content.root)\n"
    )
    root = os.path.dirname(os.path.dirname(hermpkg_build.__file__))
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert os.path.isabs(done.stdout.strip())
    assert not os.path.exists(done.stdout.strip())


def test_delete(cache_directory: str) -> None:
    assert delete_cache(cache_directory) is False
    filled(cache_directory)
    assert delete_cache(cache_directory) is True
    assert not os.path.exists(cache_directory)
    assert delete_cache(cache_directory) is False


def test_delete_leaves_alone_what_is_not_the_cache(tmp_path: Path) -> None:
    directory = tmp_path / "home"
    for name in ("v1", "v2", "documents", "other cache", "target"):
        (directory / name).mkdir(parents=True)
        (directory / name / "file").write_bytes(b"mine")
    (directory / "other cache" / TAG_NAME).write_bytes(TAG.splitlines()[0] + b"\n# made by something else\n")
    (directory / "target" / TAG_NAME).write_bytes(TAG)
    (directory / "elsewhere").mkdir()
    (directory / "target").rename(tmp_path / "target")
    (directory / "link").symlink_to(tmp_path / "target")
    before = tree_of(str(tmp_path))
    assert delete_cache(str(directory)) is False
    assert tree_of(str(tmp_path)) == before
    filled(str(directory / "documents"))
    assert delete_cache(str(directory)) is False
    assert delete_cache(str(directory / "documents")) is True
    assert tree_of(str(tmp_path)) == before


def test_delete_finishes_what_a_kill_interrupted(cache_directory: str) -> None:
    filled(cache_directory)
    Path(cache_directory, "v1").rename(Path(cache_directory, "deleted-0123456789abcdef"))
    filled(cache_directory)
    assert delete_cache(cache_directory) is True
    assert not os.path.exists(cache_directory)


def test_delete_under_a_build_makes_the_build_slower_only(cache_directory: str) -> None:
    cache = open_cache(cache_directory)
    fill(cache)
    assert delete_cache(cache_directory) is True
    assert holds(cache)[:2] == [False] * 2
    fill(cache)
    assert holds(cache) == [True] * 4
    cache.close()


def test_delete_without_the_right_to_is_an_error(plain_user: str) -> None:
    directory = os.path.join(plain_user, "cache")
    filled(directory)
    os.chmod(directory, 0o500)
    with pytest.raises(LocalEnvironmentError, match="cannot be") as caught:
        delete_cache(directory)
    assert dict(caught.value.facts)["reason"] == "Permission denied"
    os.chmod(directory, 0o700)


def test_a_file_on_its_way_into_the_store_is_not_cleared(
    cache_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_cache(cache_directory)
    replace = os.replace

    def meanwhile_another_build_begins(source: str, target: str) -> None:
        if "/cas/" in target:
            open_cache(cache_directory).close()
        replace(source, target)

    # Where files need a name to be written, which is what another build could clear.
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "replace", meanwhile_another_build_begins)
    digest = cache.content.put_bytes(b"a content")
    assert cache.content.get_bytes(digest) == b"a content"
    cache.close()


def test_what_is_in_the_way_of_a_cache_is_named(tmp_path):
    open_cache(str(tmp_path)).close()
    tmp = Path(root_of(str(tmp_path))) / "tmp"
    if tmp.exists():
        tmp.rmdir()
    tmp.touch()
    with pytest.raises(LocalEnvironmentError, match="not a folder") as caught:
        open_cache(str(tmp_path))
    assert caught.value.facts == (("path", str(tmp)),)
