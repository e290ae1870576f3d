"""Tries inputs that coverage leads to: ``guided.py SECONDS TARGET...``, by ``make fuzz GUIDED=1``.

Needs atheris. The mutants of the target and those of atheris take turns; what runs lines that nothing ran
before is mutated further, and lies in a folder ``corpus`` of the one that is named at the start. What is
worth keeping goes into ``corpus/TARGET`` beside this file, from where the next run begins.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import atheris
from again import CORPUS
from target import Attempt, Target

_LARGEST = 1 << 16


class BrokenLawError(Exception):
    """An input that breaks a law of its reader."""


def main(words: list[str]) -> int:
    """Try inputs of each target in a process of its own, for atheris ends its process."""
    seconds, *names = words
    if len(names) == 1:
        return _try(names[0], int(seconds))
    failed = 0
    for name in names:
        failed |= os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, seconds, name])
    return int(failed != 0)


def _try(name: str, seconds: int) -> int:
    with atheris.instrument_imports(include=["hermpkg_build"]):
        target: Target = importlib.import_module(f"targets.{name}").TARGET
    folder = Path(tempfile.mkdtemp(prefix=f"hermpkg-fuzz-{name}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    (folder / "seeds").mkdir()
    paths: list[Path] = []
    for number, (seed, data) in enumerate(target.seeds(folder).items()):
        paths.append(folder / "seeds" / seed)
        paths[-1].write_bytes(data)
        (corpus / seed).write_bytes(bytes((number,)) + data)
    for kept in sorted((CORPUS / name).glob("*")):
        (corpus / kept.name).write_bytes(kept.read_bytes())
    os.chdir(folder)
    options = [f"-max_total_time={seconds}", f"-max_len={_LARGEST}", "-timeout=60", "-rss_limit_mb=8192"]
    attempts = _Attempts(target, folder, paths)
    atheris.Setup(
        [sys.argv[0], *options, "-print_final_stats=1", str(corpus)],
        attempts.try_,
        custom_mutator=attempts.mutant,
    )
    print(f"{name}: what breaks a law is kept in {folder}", flush=True)
    atheris.Fuzz()
    return 0


class _Attempts:
    """Inputs of one target: a byte that says which seed it was made of, and the data."""

    def __init__(self, target: Target, folder: Path, seeds: Sequence[Path]) -> None:
        self._target, self._folder, self._seeds = target, folder, seeds
        self._number = 0

    def try_(self, data: bytes) -> None:
        """Read an input. Raises BrokenLawError."""
        if not data:
            return
        self._number += 1
        seed = self._seeds[data[0] % len(self._seeds)]
        attempt = Attempt(number=self._number, folder=self._folder, seed=seed)
        if laws := list(self._target.broken_laws(data[1:], attempt)):
            raise BrokenLawError("\n".join(laws))

    def mutant(self, data: bytes, most: int, seed: int) -> bytes:
        """Return a mutant of an input, by the target or by atheris."""
        choose = random.Random(seed)
        if not data or choose.random() < 0.5:
            changed: Any = atheris.Mutate(data, len(data))
            return bytes(changed)
        try:
            return (data[:1] + self._target.mutant(data[1:], choose))[:most]
        except Exception:  # Ours begin with sound inputs, and these are none any more.
            return bytes(atheris.Mutate(data, len(data)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
