"""The action cache gives back the result of an action, or nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.action_cache import ActionCache, ActionResult

KEY = fingerprint(["assemble", 1, {}])
RESULT = ActionResult(
    outputs={"archive": Digest.of(b"a"), "ä b": Digest.of(b"b")},
    facts={"n": 1, "list": [None, True, 1.5, "é\n"], "name": os.fsdecode(b"\xff.py")},
)


@pytest.fixture
def actions(cache_directory: str) -> ActionCache:
    return ActionCache(cache_directory)


def entry(actions: ActionCache, key: Digest = KEY) -> Path:
    return Path(actions.root, "ac", key.hash[:2], key.hash)


def test_a_result_comes_back(actions: ActionCache) -> None:
    assert actions.get(KEY) is None
    actions.put(KEY, RESULT)
    assert actions.get(KEY) == RESULT


def test_the_newest_result_counts(actions: ActionCache) -> None:
    actions.put(KEY, RESULT)
    newer = ActionResult(outputs={}, facts=None)
    actions.put(KEY, newer)
    assert actions.get(KEY) == newer


def test_a_reader_never_sees_half_of_a_new_result(actions: ActionCache) -> None:
    actions.put(KEY, RESULT)
    with open(entry(actions), "rb") as reader:
        old = entry(actions).read_bytes()
        actions.put(KEY, ActionResult(outputs={}, facts="x" * 10000))
        assert reader.read() == old


def test_nothing_is_left_aside(actions: ActionCache) -> None:
    actions.put(KEY, RESULT)
    assert os.listdir(os.path.join(actions.root, "tmp")) == []


def test_every_flipped_byte_and_every_cut_is_a_logged_miss(
    actions: ActionCache, caplog: pytest.LogCaptureFixture
) -> None:
    actions.put(KEY, RESULT)
    whole = entry(actions).read_bytes()
    damaged = [whole[:end] for end in range(len(whole) - 1)]
    damaged += [whole[:i] + bytes([whole[i] ^ 0x20]) + whole[i + 1 :] for i in range(len(whole) - 1)]
    for data in damaged:
        entry(actions).write_bytes(data)
        caplog.clear()
        with caplog.at_level(logging.INFO, "hermpkg_build.store"):
            assert actions.get(KEY) is None
        assert "corrupt action result" in caplog.text
        assert not entry(actions).exists()
    actions.put(KEY, RESULT)
    assert actions.get(KEY) == RESULT


def test_an_entry_under_the_name_of_another_is_a_miss(actions: ActionCache) -> None:
    other = fingerprint("another action")
    actions.put(KEY, RESULT)
    entry(actions, other).parent.mkdir(parents=True, exist_ok=True)
    entry(actions).rename(entry(actions, other))
    assert actions.get(other) is None


def test_results_behind_are_read_and_never_written(tmp_path: Path) -> None:
    behind = ActionCache(str(tmp_path / "behind"))
    behind.put(KEY, RESULT)
    front = ActionCache(str(tmp_path / "front"), read_only=[behind.root])
    assert front.get(KEY) == RESULT
    front.put(KEY, ActionResult(outputs={}, facts="new"))
    assert front.get(KEY) == ActionResult(outputs={}, facts="new")
    assert behind.get(KEY) == RESULT


def test_facts_that_json_cannot_hold_are_refused(actions: ActionCache) -> None:
    with pytest.raises(ValueError, match="JSON"):
        actions.put(KEY, ActionResult(outputs={}, facts=float("nan")))
    assert actions.get(KEY) is None


def test_a_full_disk_is_an_error(small_disk: str) -> None:
    actions = ActionCache(os.path.join(small_disk, "cache"))
    with pytest.raises(LocalEnvironmentError, match="no space left"):
        actions.put(KEY, ActionResult(outputs={}, facts="x" * (2 << 20)))
    assert actions.get(KEY) is None
    actions.put(KEY, RESULT)
    assert actions.get(KEY) == RESULT
