"""Graphs of objects, made of mutants: one by one, in batches and in C they are the same pickles."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from mutation.octets import other_bytes
from mutation.plain_graphs import graph_of, outcomes
from target import Attempt, Target


def _seeds(_: Path) -> Mapping[str, bytes]:
    return {f"graph {number}": random.Random(number).randbytes(20 << number) for number in range(6)}


def _broken_laws(data: bytes, attempt: Attempt) -> Iterator[str]:
    graph = graph_of(data)
    first, *others = outcomes(graph, 3 + attempt.number % 3)
    for number, other in enumerate(others):
        if other != first:
            yield f"written in {('batches', 'C')[number]}: {str(other)[:300]} and not {str(first)[:300]}"


TARGET = Target(seeds=_seeds, mutant=other_bytes, broken_laws=_broken_laws)
