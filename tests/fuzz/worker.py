"""Tries mutants of one target in a process that may be lost: ``worker.py TARGET FIRST STOP FOLDER KEPT``."""

from __future__ import annotations

import importlib
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from laws import told
from target import Attempt, Target

_MOST_CPU_S = 5.0
_MOST_MEMORY = 1 << 30
_MEMORY_TO_SURVIVE = 8 << 30
"""An allocation that no machine has fails at once, with little harm to this one."""
_LINE = 3_000


def main(words: list[str]) -> int:
    """Try the mutants FIRST to STOP, and print what each that breaks a law does; it is kept in a folder."""
    name, first, stop = words[0], int(words[1]), int(words[2])
    folder, kept = Path(words[3]), Path(words[4])
    os.environ["HERMPKG_CACHE_DIR"] = str(folder / "cache")
    target: Target = importlib.import_module(name if "." in name else f"targets.{name}").TARGET
    seeds = list(target.seeds(folder).items())
    (folder / "seeds").mkdir()
    paths = [folder / "seeds" / seed for seed, _ in seeds]
    for path, (_, data) in zip(paths, seeds, strict=True):
        path.write_bytes(data)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_TO_SURVIVE, _MEMORY_TO_SURVIVE))
    for number in range(first, stop):
        os.write(1, b"next %d\n" % number)
        at = number % len(seeds)
        seed, data = seeds[at]
        changed = target.mutant(data, random.Random(number))
        attempt = Attempt(number=number, folder=folder, seed=paths[at])
        laws, is_large = _watched(lambda: target.broken_laws(changed, attempt))  # noqa: B023 - called here
        if laws:
            (kept / f"{name}-{number}").write_bytes(changed)
            told = " ".join(" ".join(law.split())[-_LINE:] for law in laws)
            os.write(1, f"mutant {number} of {seed}: {told}\n".encode(errors="backslashreplace"))
        if is_large:
            break  # The peak of a process's memory never falls: the next one starts anew.
    os.write(1, b"next %d\n" % (number + 1))
    return 0


def _watched(laws: Callable[[], Iterator[str]]) -> tuple[list[str], bool]:
    """Give the laws that are broken, also those of time and memory, and whether memory was taken."""
    before, begun, broken = _peak(), time.process_time(), []
    try:
        broken.extend(laws())
    except Exception as error:
        broken.append(told(error))
    if (taken := time.process_time() - begun) > _MOST_CPU_S:
        broken.append(f"took {taken:.1f} s")
    if (grown := _peak() - before) > _MOST_MEMORY:
        broken.append(f"took {grown >> 20} MiB")
    return broken, grown > _MOST_MEMORY


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
