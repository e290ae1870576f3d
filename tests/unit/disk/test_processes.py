"""Processes that share a cache, some of which are killed, never see anything wrong in it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hermpkg_build
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.processes import Children, lifeline
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache, open_cache

ROUNDS = 10
"""How often a worker opens the cache, works, and closes it."""

WORKER = """
import random, sys, time
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import open_cache
import logging, shutil, sqlite3

directory, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
choice = random.Random(seed)
print("ready", flush=True)
for step in range(rounds):
    cache = open_cache(directory)
    for _ in range(20):
        number = choice.randrange(60)
        data = b"%d " % number * (number * 500)
        digest = Digest.of(data)
        with cache.content.staging() as folder:
            if choice.random() < 0.5:
                assert cache.content.put_bytes(data) == digest
            else:
                with open(f"{folder}/file", "wb") as file:
                    file.write(data)
                cache.content.put_file(f"{folder}/file", digest, move=choice.random() < 0.5)
        path = cache.content.path_of(digest)
        assert path is not None, "what was put is gone"
        with open(path, "rb") as file:
            assert file.read() == data, "a path leads to other bytes"
        assert cache.content.get_bytes(digest) == data, "what was put is gone"
        result = ActionResult(outputs={"out": digest}, facts=number)
        cache.actions.put(fingerprint(number), result)
        assert cache.actions.get(fingerprint(number)) in (None, result)
        cache.digests.record(f"/w/{number % 7}/{number}.py", (len(data), 1, 2, 3, 4), digest)
        cache.facts.put_many({digest: b"facts of %d" % number}, version="1")
    cache.close()
    print("closed", flush=True)
"""


def start(directory: str, seed: int, rounds: int) -> subprocess.Popen[str]:
    """A worker that is past its imports."""
    root = os.path.dirname(os.path.dirname(hermpkg_build.__file__))
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, directory, str(seed), str(rounds)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def check(cache: Cache) -> list[int]:
    """Everything that can be read is right; how much was there of each kind."""
    counts = [0, 0, 0, 0]
    for number in range(60):
        data = b"%d " % number * (number * 500)
        digest = Digest.of(data)
        path = cache.content.path_of(digest)
        if path is not None:
            assert Path(path).read_bytes() == data
            assert cache.content.get_bytes(digest) == data
            counts[0] += 1
        result = cache.actions.get(fingerprint(number))
        if result is not None:
            assert result == ActionResult(outputs={"out": digest}, facts=number)
            counts[1] += 1
        recorded = cache.digests.get(f"/w/{number % 7}/{number}.py", (len(data), 1, 2, 3, 4))
        if recorded is not None:
            assert recorded == digest
            counts[2] += 1
        facts = cache.facts.get_many([digest], version="1")
        if facts:
            assert facts == {digest: b"facts of %d" % number}
            counts[3] += 1
    return counts


def test_two_processes_at_once(cache_directory: str) -> None:
    workers = [start(cache_directory, seed, ROUNDS) for seed in range(3)]
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert (worker.returncode, output) == (0, "closed\n" * ROUNDS), errors
    cache = open_cache(cache_directory)
    content, actions, digests, facts = check(cache)
    # Each of 600 steps takes one of 60 numbers. Where two write one folder of the index, the later
    # wins; facts never clash.
    assert (content, actions, facts) == (60, 60, 60)
    assert digests > 0
    cache.close()
    assert os.listdir(os.path.join(cache_directory, "v1", "tmp")) == []


def test_killed_at_any_moment(cache_directory: str) -> None:
    choice = random.Random(0)
    for seed in range(15):
        worker = start(cache_directory, seed, 10_000)
        assert worker.stdout is not None
        for _ in range(choice.choice([0, 1, 1, 2])):
            worker.stdout.readline()
        time.sleep(choice.uniform(0, 0.03))
        worker.kill()
        _, errors = worker.communicate()
        assert worker.returncode == -9, errors
        cache = open_cache(cache_directory)
        check(cache)
        cache.close()
    cache = open_cache(cache_directory)
    assert all(check(cache))
    cache.close()


def test_two_processes_and_a_disk_that_rots(cache_directory: str) -> None:
    """Entries are damaged while two processes use them: a miss at most, and what was put stays."""
    workers = [start(cache_directory, seed, ROUNDS) for seed in range(2)]
    choice = random.Random(0)
    while any(worker.poll() is None for worker in workers):
        time.sleep(0.001)
        files = [path for path in Path(cache_directory, "v1", "ac").rglob("*") if path.is_file()]
        for path in choice.sample(files, min(1, len(files))):
            # What a rename does not protect: the bytes of an entry change under its name.
            damage(path, choice)
        database = Path(cache_directory, "v1", "index.sqlite3")
        if database.exists() and choice.random() < 0.1:
            damage(database, choice)
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert (worker.returncode, output) == (0, "closed\n" * ROUNDS), errors
    for path in files:
        damage(path, choice)
    cache = open_cache(cache_directory)
    check(cache)
    cache.facts.put_many({Digest.of(b"after"): b"all"}, version="1")
    cache.close()
    cache = open_cache(cache_directory)
    assert cache.facts.get_many([Digest.of(b"after")], version="1")
    cache.close()


def damage(path: Path, choice: random.Random) -> None:
    try:
        with open(path, "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.seek(choice.randrange(max(file.tell(), 1)))
            file.write(bytes([choice.randrange(256)]))
    except FileNotFoundError:
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of the dead")
def test_a_child_whose_parent_has_died_already_ends() -> None:
    program = (
        "import os, sys\n"
        "from hermpkg_build.disk.processes import end_with_parent\n"
        "end_with_parent(os.getppid() + int(sys.argv[1]), int(sys.argv[2]))\n"
        "print('lives')\n"
    )
    lives = []
    for shift in ("0", "1"):
        with lifeline() as line:
            command = [sys.executable, "-c", program, shift, str(line)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, pass_fds=[line], start_new_session=True
            )
            assert process.stdout is not None
            lives.append(process.stdout.readline())
            with process.stdout, Children().owned(process):
                process.wait()
    assert lives == [b"lives\n", b""]
