"""Tries mutants of what readers read: ``run.py COUNT [FIRST] [TARGET...]``, by ``make fuzz COUNT=100000``.

The same numbers are the same mutants. A process of its own tries them, so that one which ends it or takes
longer than some seconds is told like any other. Those that break a law are kept in a folder. Without a TARGET
each has COUNT mutants; with ``--all-in-one`` they have COUNT in all.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_WORKER = Path(__file__).with_name("worker.py")
_TARGETS = Path(__file__).with_name("targets")
_MOST_WAITING_S = 60.0
"""A busy machine lets a process wait."""
_STARTING_S = 120.0
_MOST_TOLD = 20
_AT_ONCE = 50_000
"""So many are tried by one process."""


def targets() -> list[str]:
    """Return the names of all targets."""
    return sorted(file.stem for file in _TARGETS.glob("*.py") if "\nTARGET = " in file.read_text("utf-8"))


def main(words: list[str]) -> int:
    """Try mutants of each target, and return 1 where some break a law."""
    numbers = [int(word) for word in words if word.isdecimal()]
    count, first = numbers[0], numbers[1] if len(numbers) > 1 else 0
    named = [word for word in words if not word.isdecimal()]
    return max([_try(target, count, first) for target in named or targets()])


def _try(target: str, count: int, first: int) -> int:
    kept = tempfile.mkdtemp(prefix=f"hermpkg-fuzz-{target}-")
    started, told, place = time.monotonic(), 0, first
    while place < first + count and told < _MOST_TOLD:
        with tempfile.TemporaryDirectory(prefix="hermpkg-fuzz-work-") as folder:
            stop = min(place + _AT_ONCE, first + count)
            place, found = _watch([target, str(place), str(stop), folder, kept], place)
        told += found
        if place == stop < first + count:
            print(f"{target}: {place - first} mutants so far", flush=True)
    if not told:
        os.rmdir(kept)
    seconds = time.monotonic() - started
    where = f"; they are in {kept}" if told else ""
    words = f"{place - first} mutants in {seconds:.0f} s, {told} of them break a law{where}"
    print(f"{target}: {words}", flush=True)
    return 1 if told else 0


def _watch(words: list[str], place: int) -> tuple[int, int]:
    """Run a worker until it ends or hangs: the mutant to go on with, and how many broke a law."""
    told, has_begun = 0, False
    command = [sys.executable, "-W", "ignore", str(_WORKER), *words]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as worker:
        assert worker.stdout is not None
        descriptor, unread = worker.stdout.fileno(), b""
        while True:
            patience = _MOST_WAITING_S if has_begun else _STARTING_S
            ready, _, _ = select.select([descriptor], [], [], patience)
            chunk = os.read(descriptor, 1 << 16) if ready else b""
            if not chunk:
                break
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"next "):
                    place, has_begun = int(line[5:]), True
                else:
                    told += line.startswith(b"mutant ")
                    print(line.decode(), flush=True)
        if ready:
            code = worker.wait()
            what = f"ended the process with {code}" if code else ""
        else:
            worker.kill()
            what = f"took longer than {patience} s"
    if not what:
        return place, told
    if not has_begun:
        raise SystemExit(f"{words[0]}: the worker {what} before it tried any mutant")
    print(f"mutant {place} {what}", flush=True)
    return place + 1, told + 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
