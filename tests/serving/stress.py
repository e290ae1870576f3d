"""Calls a pool very often while its workers are killed: every call has its answer, and every answer is right.

python tests/serving/stress.py COUNT
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hermpkg_build import PackageExporter
from hermpkg_build.serving import Pool

SOURCE = """
import time

def answer(number, data, seconds):
    time.sleep(seconds)
    return number * 7 + len(data), data[::-1]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How many calls were made, how many had no or a wrong answer, and how many workers died meanwhile."""

    calls: int
    lost: int
    wrong: int
    killed: int


def stress(file: str, count: int, *, workers: int = 3, callers: int = 6, pause: float = 0.02) -> Outcome:
    """Make `count` calls from several threads, and kill a worker every `pause` seconds."""
    wrong: list[int] = []
    lost: list[int] = []
    chance = random.Random(count)
    with Pool(file, workers, preload=(), queue=16) as pool:
        killer = _Killer(pool, pause)
        numbers = iter(range(count))
        lock = threading.Lock()

        def call() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                    size = chance.choice((10, 10, 10, 200_000))
                if number is None:
                    return
                data = bytes([number % 251]) * size + str(number).encode()
                try:
                    given = pool.call("app:answer", number, data, 0.0005, retries=1000)
                except Exception as error:
                    lost.append(number)
                    print(f"{number}: {error!r}", file=sys.stderr)
                else:
                    if given != (number * 7 + len(data), data[::-1]):
                        wrong.append(number)

        threads = [threading.Thread(target=call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        killer.stop()
        return Outcome(calls=count, lost=len(lost), wrong=len(wrong), killed=pool.state().replaced)


class _Killer:
    """A thread that kills a worker of a pool every `pause` seconds, at a random moment."""

    def __init__(self, pool: Pool, pause: float) -> None:
        self._pool = pool
        self._pause = pause
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        chance = random.Random(1)
        while not self._stopped.wait(chance.uniform(0, 2 * self._pause)):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(self._pool.state().workers), signal.SIGKILL)


def make_artifact(path: str) -> str:
    """Write the artifact that is called; return its path."""
    with PackageExporter(path) as exporter:
        exporter.save_source_string("app", SOURCE)
    return path


def main(words: Sequence[str]) -> int:
    """Run with the number of calls; the exit status is 0 where every call had the right answer."""
    import logging

    logging.getLogger("hermpkg_build.serving").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        outcome = stress(make_artifact(str(Path(folder, "app.pt"))), int(words[0]) if words else 10_000)
    print(f"{outcome}, {time.monotonic() - start:.1f} s")
    return int(bool(outcome.lost or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
