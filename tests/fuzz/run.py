"""Tries mutants of what readers read: ``run.py COUNT [FIRST] [TARGET...]``, by ``make fuzz COUNT=100000``.

The same numbers are the same mutants. A process of its own tries them, so that one which ends it or takes
longer than some seconds is told like any other. Those that break a law are kept in a folder. Without a TARGET
each has COUNT mutants; with ``--all-in-one`` they have COUNT in all.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
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
    started, told, place = time.monotonic(), Counter[str](), first
    while place < first + count and len(told) < _MOST_TOLD:
        with tempfile.TemporaryDirectory(prefix="hermpkg-fuzz-work-") as folder:
            stop = min(place + _AT_ONCE, first + count)
            place = _watch([target, str(place), str(stop), folder, kept], place, told)
        if place == stop < first + count:
            print(f"{target}: {place - first} mutants so far", flush=True)
    if not told:
        os.rmdir(kept)
    for way, times in told.most_common():
        print(f"{target}: {times} times: {way[:200]}")
    seconds = time.monotonic() - started
    where = f", in {len(told)} ways; they are in {kept}" if told else ""
    words = f"{place - first} mutants in {seconds:.0f} s, {told.total()} of them break a law{where}"
    print(f"{target}: {words}", flush=True)
    return 1 if told else 0


def _watch(words: list[str], place: int, told: Counter[str]) -> int:
    """Run a worker until it ends or hangs; return the mutant to go on with, and count what broke a law."""
    has_begun = False
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
                    _tell(line.decode(), told)
        if ready:
            code = worker.wait()
            what = f"ended the process with {code}" if code else ""
        else:
            worker.kill()
            what = f"took longer than {patience} s"
    if not what:
        return place
    if not has_begun:
        raise SystemExit(f"{words[0]}: the worker {what} before it tried any mutant")
    _tell(f"mutant {place} {what}", told)
    return place + 1


def _tell(line: str, told: Counter[str]) -> None:
    """Print what a mutant did, unless another did the same; texts and numbers in it make no difference."""
    way = re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "…", line.partition(" of ")[2] or line)
    told[way] += 1
    if told[way] == 1:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
