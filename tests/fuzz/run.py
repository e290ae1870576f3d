"""Tries mutants of archives: ``run.py COUNT [FIRST] [--broken]``, by ``make fuzz COUNT=100000``.

The same numbers are the same mutants. A process of its own tries them, under a limit of memory, so that one
which kills it or takes longer than some seconds is told like any other. Those that break a law are kept in a
folder. With ``--broken`` every archive is said to be verified, which must be noticed.
"""

from __future__ import annotations

import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_MOST_CPU_S = 8.0
_MOST_WAITING_S = 60.0
"""A busy machine lets a process wait."""
_MEMORY = 12 << 30
_STARTING_S = 120.0
_MOST_TOLD = 20
_AT_ONCE = 5_000
"""So many are tried by one process."""


def main(words: list[str]) -> int:
    """Try mutants, and return 1 where some break a law."""
    if words[0] == "worker":
        return _work(int(words[1]), int(words[2]), Path(words[3]), Path(words[4]), broken="--broken" in words)
    numbers = [int(word) for word in words if word.isdecimal()]
    count, first = numbers[0], numbers[1] if len(numbers) > 1 else 0
    kept = tempfile.mkdtemp(prefix="hermpkg-fuzz-")
    started, told, place = time.monotonic(), 0, first
    while place < first + count and told < _MOST_TOLD:
        options = [word for word in words if word == "--broken"]
        with tempfile.TemporaryDirectory(prefix="hermpkg-fuzz-work-") as folder:
            stop = min(place + _AT_ONCE, first + count)
            place, found = _watch([str(place), str(stop), folder, kept, *options], place)
        told += found
        if place == stop < first + count:
            print(f"{place - first} mutants so far", flush=True)
    if not told:
        os.rmdir(kept)
    seconds = time.monotonic() - started
    where = f"; they are in {kept}" if told else ""
    print(f"{place - first} mutants in {seconds:.0f} s, {told} of them break a law{where}", flush=True)
    return 1 if told else 0


def _watch(words: list[str], place: int) -> tuple[int, int]:
    """Run a worker until it ends or hangs: the mutant to go on with, and how many broke a law."""
    told = 0
    command = [sys.executable, "-W", "ignore", __file__, "worker", *words]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as worker:
        assert worker.stdout is not None
        descriptor, unread, patience = worker.stdout.fileno(), b"", _STARTING_S
        while True:
            ready, _, _ = select.select([descriptor], [], [], patience)
            chunk = os.read(descriptor, 1 << 16) if ready else b""
            if not chunk:
                break
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"next "):
                    place, patience = int(line[5:]), _MOST_WAITING_S
                else:
                    told += line.startswith(b"mutant ")
                    print(line.decode(), flush=True)
        if ready:
            code = worker.wait()
            what = f"ended the process with {code}" if code else ""
        else:
            worker.kill()
            what = f"took longer than {_MOST_WAITING_S} s"
    if not what:
        return place, told
    print(f"mutant {place} {what}", flush=True)
    return place + 1, told + 1


def _work(first: int, stop: int, folder: Path, kept: Path, *, broken: bool) -> int:
    from archives import make_archives
    from mutants import mutant
    from trial import broken_laws

    if broken:
        import hermpkg_build.inspection.verify.archive as verifying

        verifying._problems = lambda *_: iter(())
    os.environ["HERMPKG_CACHE_DIR"] = str(folder / "cache")
    archives = list(make_archives(folder).items())
    seeds = [folder / f"{kind}.pt" for kind, _ in archives]
    for seed, (_, data) in zip(seeds, archives, strict=True):
        seed.write_bytes(data)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    path = folder / "mutant.pt"
    for number in range(first, stop):
        print(f"next {number}", flush=True)
        kind, data = archives[number % len(archives)]
        changed = mutant(data, random.Random(number))
        path.unlink(missing_ok=True)
        path.write_bytes(changed)
        begun = time.process_time()
        laws = list(broken_laws(path, seeds[number % len(archives)]))
        if (taken := time.process_time() - begun) > _MOST_CPU_S:
            laws.append(f"took {taken:.1f} s")
        if laws:
            (kept / f"{number}.pt").write_bytes(changed)
            print(f"mutant {number} of {kind}:", *(" ".join(law.split()) for law in laws), flush=True)
    print(f"next {stop}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
