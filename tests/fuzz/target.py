"""What a target of fuzzing is: readers of foreign bytes, what is mutated for them, and the laws they keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One mutant on its way to a reader: its `number`, a `folder` to work in, and the file it was made of."""

    number: int
    folder: Path
    seed: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reader of foreign bytes.

    `seeds` makes sound inputs by name, in a folder; `mutant` makes an input of one of them that may be
    anything; `broken_laws` reads an input and tells which laws that breaks. What it raises breaks one, too.
    """

    seeds: Callable[[Path], Mapping[str, bytes]]
    mutant: Callable[[bytes, random.Random], bytes]
    broken_laws: Callable[[bytes, Attempt], Iterator[str]]
