"""Each machine has an artifact once: whole or not at all, whoever fetches, dies, or comes in between."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermpkg_build.errors import ArchiveError, ExitCode, LocalEnvironmentError
from hermpkg_build.integrations.node_files import VARIABLE, ArtifactIdentity, kept_file, pieces_of, release
from hermpkg_build.store.fetched import FETCHED
from hermpkg_build.store.pruning import prune_cache
from hermpkg_build.store.survey import fetched_entries, survey_cache

DATA = bytes(range(256)) * 5000


def identity(data: bytes = DATA, name: str = "my net ü.pt", **more) -> ArtifactIdentity:
    return ArtifactIdentity(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), **more)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "my caché"))
    return tmp_path / "my caché" / "fetched"


def no_fetch():
    raise AssertionError("it was fetched again")


def folders(place: Path) -> list[str]:
    return sorted(each.name for each in place.iterdir() if each.is_dir())


def test_it_is_fetched_once_and_is_what_was_sent(place):
    path = kept_file(identity(), lambda: [DATA[:1000], DATA[1000:]])
    assert Path(path).read_bytes() == DATA
    assert Path(path).name == "my net ü.pt"
    assert kept_file(identity(), no_fetch) == path
    assert os.stat(path).st_mode & 0o222 == 0


def test_equal_bytes_of_another_name_or_with_other_signatures_are_apart():
    signed = identity(signatures=(("my net ü.pt.sig", b"signature"),))
    paths = {kept_file(each, lambda: [DATA]) for each in (identity(), identity(name="other.pt"), signed)}
    assert len(paths) == 3
    assert Path(f"{kept_file(signed, no_fetch)}.sig").read_bytes() == b"signature"


def test_the_cache_shows_them_and_makes_room_but_for_those_in_use(place: Path) -> None:
    used, left = identity(), identity(name="other.pt")
    for each in (used, left):
        kept_file(each, lambda: [DATA])
    release(left)
    cache = str(place.parent)
    (kind,) = (each for each in survey_cache(cache).kinds if each.kind == FETCHED)
    assert (kind.entries, kind.bytes >= 2 * len(DATA)) == (2, True)
    # Builds leave them to their own limit; gc does not, and one in use takes no room from anything else.
    assert prune_cache(cache, max_bytes=0).removed_entries == 0
    pruned = prune_cache(cache, max_bytes=0, others=fetched_entries(cache))
    assert (pruned.removed_entries, pruned.left_bytes) == (1, 0)
    assert folders(place) == [used.folder]
    assert kept_file(used, no_fetch)
    release(used)


@pytest.mark.parametrize("sent", [DATA[:-1], DATA + b"x", b"x" + DATA[1:], b""])
def test_other_bytes_are_refused_and_leave_nothing(place, sent):
    with pytest.raises(ArchiveError, match="what arrived is not the artifact"):
        kept_file(identity(), lambda: [sent])
    assert folders(place) == []
    assert kept_file(identity(), lambda: [DATA])


def test_endless_bytes_end_with_the_size():
    def endless():
        while True:
            yield bytes(1 << 20)

    with pytest.raises(ArchiveError):
        kept_file(identity(), endless)


def test_what_fetching_raises_is_raised_and_leaves_nothing(place):
    def broken():
        yield DATA[:10]
        raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        kept_file(identity(), broken)
    assert folders(place) == []


def test_what_was_cut_or_taken_away_is_fetched_again(place):
    path = kept_file(identity(), lambda: [DATA])
    os.chmod(path, 0o600)
    os.truncate(path, 5)
    assert Path(kept_file(identity(), lambda: [DATA])).read_bytes() == DATA
    os.unlink(path)
    assert Path(kept_file(identity(), lambda: [DATA])).read_bytes() == DATA


CHILD = """
import hashlib, os, sys, time
from hermpkg_build.integrations.node_files import ArtifactIdentity, kept_file
data = bytes(range(256)) * 5000
def fetch():
    with open(sys.argv[1], "a") as log:
        log.write("x")
    yield data[:1000]
    time.sleep(float(sys.argv[2]))
    yield data[1000:]
identity = ArtifactIdentity(name="my net ü.pt", sha256=hashlib.sha256(data).hexdigest(), size=len(data))
print(hashlib.sha256(open(kept_file(identity, fetch), "rb").read()).hexdigest())
"""


def start(log: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(log), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def test_of_processes_that_ask_at_once_one_fetches(tmp_path):
    log = tmp_path / "log"
    children = [start(log, 0.2) for _ in range(4)]
    assert {child.communicate()[0].strip() for child in children} == {identity().sha256}
    assert log.read_text() == "x"


def test_a_killed_one_leaves_nothing_half_and_keeps_nobody_waiting(tmp_path, place):
    log = tmp_path / "log"
    child = start(log, 600)
    # It writes the log as the first of what it fetches is asked for, after it made its file.
    while not (log.exists() and log.stat().st_size and list(place.glob(".hermpkg-held-*/*"))):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not [name for name in folders(place) if not name.startswith(".hermpkg-")]
    assert start(log, 0).communicate()[0].strip() == identity().sha256
    assert log.read_text() == "xx"


def test_what_was_not_used_for_longest_goes_first_and_nothing_that_is_in_use(place, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{len(DATA) * 2} B")
    first, second, third = (identity(name=f"{number}.pt") for number in range(3))
    kept_file(first, lambda: [DATA])
    kept_file(second, lambda: [DATA])
    release(second)
    kept_file(third, lambda: [DATA])
    assert {first.folder, third.folder} == {*folders(place)}
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(LocalEnvironmentError, match=VARIABLE) as raised:
        kept_file(identity(name="4.pt"), lambda: [DATA])
    assert raised.value.exit_code == ExitCode.LOCAL_ENVIRONMENT


def test_a_folder_that_others_can_write_to_is_not_used(place):
    place.mkdir(parents=True)
    place.chmod(0o777)
    with pytest.raises(LocalEnvironmentError, match="others can write to it"):
        kept_file(identity(), lambda: [DATA])


def test_a_file_travels_in_pieces(tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    assert b"".join(pieces_of(str(tmp_path / "file"))) == DATA
