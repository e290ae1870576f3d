"""Whatever stands in the place of an entry is a miss, told once, and makes room for the next entry."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.store.action_cache import ActionCache, ActionResult
from hermpkg_build.store.content import ContentStore

KEY = fingerprint(["assemble", 1, {}])
RESULT = ActionResult(outputs={"archive": Digest.of(b"a")}, facts={})
DATA = b"some bytes"


def _full_folder(path: Path) -> None:
    (path / "x").mkdir(parents=True)
    (path / "x" / "y").write_text("")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _unreadable(path: Path) -> None:
    path.write_text("x")
    path.chmod(0)


WRONG: dict[str, Callable[[Path], None]] = {
    "an empty folder": Path.mkdir,
    "a full folder": _full_folder,
    "a link to itself": _loop,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a folder": lambda path: path.symlink_to("."),
    "a pipe": os.mkfifo,
    "an unreadable file": _unreadable,
}


@pytest.mark.parametrize("is_above", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_thing_in_the_place_of_a_result(
    cache_directory: str, wrong: str, is_above: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    actions = ActionCache(cache_directory)
    actions.put(KEY, RESULT)
    path = Path(actions.root, "ac", KEY.hash[:2], KEY.hash)
    _put_wrong(path.parent if is_above else path, wrong)
    for _ in range(3):
        assert actions.get(KEY) is None
    assert len(caplog.records) <= 1
    actions.put(KEY, RESULT)
    assert actions.get(KEY) == RESULT


@pytest.mark.parametrize("way", ["bytes", "copied", "moved"])
@pytest.mark.parametrize("is_above", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_thing_in_the_place_of_a_content(
    cache_directory: str, tmp_path: Path, wrong: str, is_above: bool, way: str
) -> None:
    store = ContentStore(cache_directory)
    digest = store.put_bytes(DATA)
    path = Path(cache_directory, "cas", digest.hash[:2], digest.hash)
    _put_wrong(path.parent if is_above else path, wrong)
    assert store.get_bytes(digest) is None
    assert store.path_of(digest) is None
    if way == "bytes":
        store.put_bytes(DATA)
    else:
        (tmp_path / "file").write_bytes(DATA)
        store.put_file(str(tmp_path / "file"), digest, move=way == "moved")
    assert store.get_bytes(digest) == DATA
    assert store.path_of(digest) == str(path)


def _put_wrong(path: Path, wrong: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.chmod(0o600)
        path.unlink()
    WRONG[wrong](path)


def test_a_content_that_may_not_be_read_is_written_anew(cache_directory: str) -> None:
    store = ContentStore(cache_directory)
    digest = store.put_bytes(DATA)
    path = Path(cache_directory, "cas", digest.hash[:2], digest.hash)
    path.chmod(0)
    store.put_bytes(DATA)
    assert path.stat().st_mode & 0o444 == 0o444
    assert store.get_bytes(digest) == DATA
