"""``hermpkg cache gc`` of a whole cache, beside ``rm -rf`` of the same tree, which is what the disk takes."""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from table import show, timed

from hermpkg_build.store.cache import open_cache
from hermpkg_build.store.survey import root_of
from hermpkg_build.store.usage import FOLDERS, Notes, write_notes

WORKSPACES = 10
COLLECT = "hermpkg cache gc"
MOST_S = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="a folder on the disk to measure; otherwise that of temporary files")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hermpkg-bench-", dir=options.folder) as temporary:
        directory = str(Path(temporary, "cache"))
        collect = [sys.executable, "-m", "hermpkg_build", "-q", "--cache-dir", directory, "cache", "gc"]
        rows = timed(
            {
                "rm -rf": lambda: subprocess.run(["rm", "-rf", directory], check=True),
                COLLECT: lambda: subprocess.run([*collect, "--max-size", "0GB"], check=True),
            },
            options.rounds,
            before=lambda: fill(directory, options.entries),
        )
    show(f"{options.entries:,} entries, {WORKSPACES} workspaces", rows)
    median = next(row.median for row in rows if row.name == COLLECT)
    print(f"{COLLECT}: goal {MOST_S} s{'   MISSED' if median > MOST_S else ''}")
    return 0


def fill(directory: str, count: int) -> None:
    """Put entries of some kilobytes into the cache, used at random times."""
    open_cache(directory).close()
    root, chance, now = root_of(directory), random.Random(count), time.time_ns()
    names: list[bytes] = []
    for number in range(count):
        folder, mark = list(FOLDERS.items())[number % len(FOLDERS)]
        hash_ = hashlib.sha256(b"%d" % number)
        path = Path(root, folder, hash_.hexdigest()[:2], hash_.hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(chance.randrange(100, 9000)))
        used = now - chance.randrange(10**9, 10**15)
        os.utime(path, ns=(used, used))
        names.append(mark + hash_.digest())
    (Path(root) / "workspaces").mkdir(exist_ok=True)
    for number in range(WORKSPACES):
        used_names = frozenset(chance.sample(names, count // 3))
        notes = Notes(workspace=f"/home/me/{number}", entries=used_names)
        write_notes(str(Path(root, "workspaces", f"{number:032x}")), notes)
    os.sync()


if __name__ == "__main__":
    sys.exit(main())
