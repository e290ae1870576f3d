"""The cache gets smaller by what was not used for longest, never by what a running process may need."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.replacing import new_folder
from hermpkg_build.store import pruning
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import open_cache
from hermpkg_build.store.content import SEALED_NS
from hermpkg_build.store.pruning import Pruned, keep_within, prune_cache
from hermpkg_build.store.survey import root_of, survey_cache

BLOCK = 4096
DAY = 86400.0
OLD = 1_700_000_000


def data_of(number: int) -> bytes:
    return number.to_bytes(4, "little") * (BLOCK // 4)


def path_of(directory: str, data: bytes) -> Path:
    hash_ = Digest.of(data).hash
    return Path(root_of(directory), "cas", hash_[:2], hash_)


def fill(directory: str, numbers: range, *, workspace: str = "") -> None:
    """Put contents of one block into the cache, of which the first is the least recently used."""
    cache = open_cache(directory)
    for number in numbers:
        cache.content.put_bytes(data_of(number))
    if workspace:
        cache.usage.keep(workspace)
    cache.close()
    for number in numbers:
        age(directory, number, OLD + number)


def age(directory: str, number: int, used: float) -> None:
    os.utime(path_of(directory, data_of(number)), ns=(int(used * 1e9), SEALED_NS))


def left(directory: str, numbers: range) -> list[int]:
    return [number for number in numbers if path_of(directory, data_of(number)).exists()]


def size(directory: str) -> int:
    return prune_cache(directory, dry_run=True).left_bytes


def test_the_least_recently_used_goes_first(cache_directory: str) -> None:
    fill(cache_directory, range(6))
    age(cache_directory, 0, OLD + 100)
    pruned = prune_cache(cache_directory, max_bytes=size(cache_directory) - 3 * BLOCK)
    assert left(cache_directory, range(6)) == [0, 4, 5]
    assert (pruned.removed_entries, pruned.removed_bytes, pruned.left_entries) == (3, 3 * BLOCK, 3)


@pytest.mark.parametrize("how", ["path_of", "get_bytes", "put_bytes"])
def test_what_a_process_uses_becomes_the_most_recently_used(cache_directory: str, how: str) -> None:
    fill(cache_directory, range(3))
    cache = open_cache(cache_directory)
    getattr(cache.content, how)(data_of(0) if how == "put_bytes" else Digest.of(data_of(0)))
    cache.close()
    prune_cache(cache_directory, max_bytes=size(cache_directory) - 2 * BLOCK)
    assert left(cache_directory, range(3)) == [0]
    assert path_of(cache_directory, data_of(0)).stat().st_mtime_ns == SEALED_NS


def test_a_result_that_is_recalled_stays_with_what_it_names(cache_directory: str) -> None:
    keys = [fingerprint(number) for number in range(2)]
    cache = open_cache(cache_directory)
    for key in keys:
        cache.actions.put(key, ActionResult(outputs={}, facts=key.hash))
        os.utime(Path(cache.actions.root, "ac", key.hash[:2], key.hash), (OLD, OLD))
    cache.close()
    cache = open_cache(cache_directory)
    assert cache.actions.get(keys[0])
    cache.close()
    prune_cache(cache_directory, max_age_s=DAY)
    cache = open_cache(cache_directory)
    assert [cache.actions.get(key) is not None for key in keys] == [True, False]
    cache.close()


def test_what_was_not_used_for_an_age_goes(cache_directory: str) -> None:
    fill(cache_directory, range(3))
    age(cache_directory, 1, time.time() - DAY)
    assert prune_cache(cache_directory, max_age_s=2 * DAY).removed_entries == 2
    assert left(cache_directory, range(3)) == [1]


def test_entries_of_earlier_versions_count_from_when_they_were_made(cache_directory: str) -> None:
    fill(cache_directory, range(1))
    os.utime(path_of(cache_directory, data_of(0)), ns=(SEALED_NS, SEALED_NS))
    assert prune_cache(cache_directory, max_age_s=DAY).removed_entries == 0
    assert prune_cache(cache_directory, max_bytes=0).removed_entries == 1


def test_a_dry_run_removes_nothing(cache_directory: str) -> None:
    fill(cache_directory, range(2))
    assert prune_cache(cache_directory, max_age_s=DAY, dry_run=True).removed_entries == 2
    assert left(cache_directory, range(2)) == [0, 1]


def test_what_a_running_process_has_used_stays(cache_directory: str) -> None:
    fill(cache_directory, range(3))
    cache = open_cache(cache_directory)
    assert cache.content.path_of(Digest.of(data_of(1)))
    pruned = prune_cache(cache_directory, max_bytes=0)
    assert left(cache_directory, range(3)) == [1]
    assert pruned.in_use_entries == 1
    cache.close()
    assert prune_cache(cache_directory, max_bytes=0).left_entries == 0


def test_a_process_that_was_killed_holds_nothing(cache_directory: str) -> None:
    fill(cache_directory, range(1))
    running = os.path.join(root_of(cache_directory), "running")
    if child := os.fork():
        assert os.waitpid(child, 0)[1] != 0
    else:
        with new_folder(running):
            os.kill(os.getpid(), 9)
    assert os.listdir(running)
    age(cache_directory, 0, time.time())
    assert prune_cache(cache_directory, max_bytes=0).removed_entries == 1


def test_an_entry_that_is_used_while_others_go_is_put_back(
    cache_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache_directory, range(2))

    def use_first(place: str) -> list[float]:
        age(cache_directory, 0, time.time())
        os.utime(place, (1, 1))
        return []

    monkeypatch.setattr(pruning, "held_since", use_first)
    pruned = prune_cache(cache_directory, max_bytes=0)
    assert left(cache_directory, range(2)) == [0]
    assert pruned == Pruned(
        removed_entries=1, removed_bytes=BLOCK, left_entries=1, left_bytes=BLOCK, in_use_entries=1
    )


def test_no_entry_waits_for_the_disk_that_removes_another(
    cache_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of two folders are removed at a time, each by one call, where no process looks on."""
    fill(cache_directory, range(2))
    assert len({path_of(cache_directory, data_of(number)).parent for number in range(2)}) == 2
    together, unlink, unlinked = threading.Barrier(2, timeout=300), os.unlink, []

    def wait_for_the_other(path: str, **more: Any) -> None:
        if os.sep + "cas" + os.sep in path:
            unlinked.append(path)
            together.wait()
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", wait_for_the_other)
    assert prune_cache(cache_directory, max_bytes=0).removed_entries == 2
    assert len(unlinked) == 2


def test_an_entry_that_goes_between_a_look_and_its_use_is_absent(
    cache_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache_directory, range(1))
    cache, path = open_cache(cache_directory), path_of(cache_directory, data_of(0))
    really = os.utime

    def too_late(*arguments: object, **more: object) -> None:
        path.unlink()
        really(*arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "utime", too_late)
    assert cache.content.path_of(Digest.of(data_of(0))) is None
    monkeypatch.undo()
    cache.close()


def test_room_is_made_on_a_disk_that_is_full(cache_directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(place: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)

    fill(cache_directory, range(2))
    monkeypatch.setattr(pruning, "new_folder", full)
    assert prune_cache(cache_directory, max_age_s=DAY).removed_entries == 2
    assert left(cache_directory, range(2)) == []


def test_rows_on_folders_that_are_gone_go(cache_directory: str, tmp_path: Path) -> None:
    signature = (1, 1, 1, 1, 1)
    cache = open_cache(cache_directory)
    for folder in (str(tmp_path), "/nonexistent"):
        cache.digests.record(f"{folder}/a.py", signature, Digest("0" * 64, 1))
    cache.facts.put_many({Digest.of(b""): b"facts"}, version="1")
    cache.close()
    prune_cache(cache_directory, max_age_s=DAY)
    cache = open_cache(cache_directory)
    assert cache.digests.get(f"{tmp_path}/a.py", signature)
    assert cache.digests.get("/nonexistent/a.py", signature) is None
    assert cache.facts.get_many([Digest.of(b"")], version="1")
    cache.close()
    assert prune_cache(cache_directory, max_bytes=0).left_bytes == 0


def test_builds_look_at_the_size_when_it_can_have_passed_the_limit(
    cache_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    really = pruning.prune_cache

    def prune(directory: str, *, max_bytes: int, least_bytes: int) -> Pruned:
        looks.append(max_bytes)
        return really(directory, max_bytes=max_bytes, least_bytes=least_bytes)

    monkeypatch.setattr(pruning, "prune_cache", prune)
    fill(cache_directory, range(10))
    limit = 20 * BLOCK
    assert keep_within(cache_directory, limit, 0) is None
    assert not looks, "nothing was written"
    assert keep_within(cache_directory, limit, 10 * BLOCK) is None
    assert len(looks) == 1, "the first look"
    assert keep_within(cache_directory, limit, BLOCK) is None
    assert len(looks) == 1, "it cannot have passed the limit"
    fill(cache_directory, range(10, 25))
    pruned = keep_within(cache_directory, limit, 15 * BLOCK)
    assert pruned is not None
    assert pruned.left_bytes == 18 * BLOCK, "less than the limit, so that the next build need not prune"
    assert left(cache_directory, range(25)) == [*range(7, 25)]
    stamp = Path(root_of(cache_directory), "size.json")
    stamp.write_text(stamp.read_text().replace('"looked": ', '"looked": -'))
    keep_within(cache_directory, limit, 1)
    assert len(looks) == 3, "a day has passed"


def test_sizes_by_kind_and_workspace(cache_directory: str) -> None:
    fill(cache_directory, range(3), workspace="/w/a")
    fill(cache_directory, range(2, 7), workspace="/w/b")
    fill(cache_directory, range(7, 8))
    survey = survey_cache(cache_directory)
    kinds = {kind.kind: (kind.entries, kind.bytes) for kind in survey.kinds}
    assert kinds["contents"] == (8, 8 * BLOCK)
    assert kinds["action results"] == (0, 0)
    assert [(w.workspace, w.entries, w.bytes, w.shared_bytes) for w in survey.workspaces] == [
        ("/w/b", 5, 5 * BLOCK, BLOCK),
        ("/w/a", 3, 3 * BLOCK, BLOCK),
    ]
    assert survey.unclaimed_bytes == BLOCK
    prune_cache(cache_directory, max_bytes=size(cache_directory) - 3 * BLOCK)
    assert [w.workspace for w in survey_cache(cache_directory).workspaces] == ["/w/b"]
    assert len(os.listdir(Path(root_of(cache_directory), "workspaces"))) == 1


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "v1" / "cas" / "00").mkdir(parents=True)
    precious = tmp_path / "v1" / "cas" / "00" / ("0" * 64)
    precious.write_text("not ours: the folder has no marker")
    assert prune_cache(str(tmp_path), max_bytes=0) == Pruned()
    assert precious.exists()
    assert survey_cache(str(tmp_path / "nowhere")).bytes == 0


def test_what_is_no_entry_stays(tmp_path):
    directory = str(tmp_path / "cache")
    fill(directory, range(2))
    target = tmp_path / "theirs.txt"
    target.write_text("theirs")
    folder = path_of(directory, data_of(0)).parent
    foreign = [Path(root_of(directory), "cas", "notes", "todo.txt"), folder / "todo.txt"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("theirs")
        os.utime(path, (OLD, OLD))
    link = folder / path_of(directory, data_of(7)).name
    link.symlink_to(target)
    assert prune_cache(directory, max_bytes=0).removed_entries == 2
    assert [path.read_text() for path in (*foreign, link, target)] == ["theirs"] * 4
