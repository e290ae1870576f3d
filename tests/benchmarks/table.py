"""Times rows in turn and prints them as one table beside the first row, their peer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was timed, and the seconds of each round."""

    name: str
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(
    rows: Mapping[str, Callable[[], object]], rounds: int, *, before: Callable[[], object] | None = None
) -> list[Row]:
    """Every row once a round, so that what else the machine does falls on all of them alike.

    `before` runs ahead of each row, untimed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            if before is not None:
                before()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return [Row(name=name, seconds=values) for name, values in seconds.items()]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the table: medians, best rounds, and medians as multiples of the first row's."""
    first = rows[0]
    width = max(34, *(len(row.name) for row in rows))
    print(f"\n{title}\n\n{'':{width}} {'median':>9} {'best':>9}   x {first.name}")
    for row in rows:
        ratio = row.median / first.median
        print(f"{row.name:{width}} {row.median:8.3f}s {min(row.seconds):8.3f}s   {ratio:.2f}")
