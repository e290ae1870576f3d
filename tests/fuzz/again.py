"""Tries again what coverage once led to and was worth keeping: ``again.py TARGET``; 1 where a law is broken.

``corpus/TARGET`` holds inputs as `guided.py` has them: a byte that says which seed each was made of, and the
data.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from target import Attempt, Target

CORPUS = Path(__file__).with_name("corpus")


def main(name: str) -> int:
    """Read all kept inputs of a target, and print the laws that they break."""
    target: Target = importlib.import_module(f"targets.{name}").TARGET
    broken = 0
    with tempfile.TemporaryDirectory(prefix="hermpkg-fuzz-again-") as place:
        folder = Path(place)
        os.environ["HERMPKG_CACHE_DIR"] = str(folder / "cache")
        seeds = list(target.seeds(folder).items())
        (folder / "seeds").mkdir()
        for seed, data in seeds:
            (folder / "seeds" / seed).write_bytes(data)
        inputs = sorted((CORPUS / name).iterdir())
        os.chdir(folder)
        for number, file in enumerate(inputs):
            data = file.read_bytes()
            seed = folder / "seeds" / seeds[data[0] % len(seeds)][0]
            for law in target.broken_laws(data[1:], Attempt(number=number, folder=folder, seed=seed)):
                broken += 1
                print(f"{file.name}: {law}")
        os.chdir("/")
    print(f"{name}: {len(inputs)} kept inputs, {broken} laws broken")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
