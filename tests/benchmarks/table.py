"""Times rows in turn and prints them as one table beside the first row, their peer, with the goals missed."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was timed, and the seconds of each round.

    `processor` are the seconds of all cores together, those of child processes that ended too.
    """

    name: str
    seconds: Sequence[float]
    processor: Sequence[float] = field(default=(0.0,))

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At most so many times the median of the slowest of the rows `of`; none of them is the first row."""

    most: float
    of: tuple[str, ...] = ()


def timed(
    rows: Mapping[str, Callable[[], object]], rounds: int, *, before: Callable[[], object] | None = None
) -> list[Row]:
    """Every row once a round, so that what else the machine does falls on all of them alike.

    `before` runs ahead of each row, untimed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    processor: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            if before is not None:
                before()
            start, used = time.perf_counter(), _processor()
            run()
            seconds[name].append(time.perf_counter() - start)
            processor[name].append(_processor() - used)
    return [Row(name=name, seconds=values, processor=processor[name]) for name, values in seconds.items()]


def _processor() -> float:
    """Return the seconds that this process used of all cores, and those of its children that ended."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def show(title: str, rows: Sequence[Row], goals: Mapping[str, Goal] | None = None) -> None:
    """Print the table: medians, best rounds, seconds of the processor, multiples of the first row's median.

    A row that has a goal tells it, and whether it was missed.
    """
    first = rows[0]
    width = max(34, *(len(row.name) for row in rows))
    print(f"\n{title}\n\n{'':{width}} {'median':>9} {'best':>9} {'cores':>9}   x {first.name}")
    by_name = {row.name: row for row in rows}
    for row in rows:
        ratio = row.median / first.median
        line = f"{row.name:{width}} {row.median:8.3f}s {min(row.seconds):8.3f}s {min(row.processor):8.3f}s"
        goal = (goals or {}).get(row.name)
        print(f"{line}   {ratio:.2f}{'' if goal is None else _told(goal, row, by_name, first)}")


def _told(goal: Goal, row: Row, by_name: Mapping[str, Row], first: Row) -> str:
    of = [by_name[name] for name in goal.of] or [first]
    slowest = max(of, key=lambda peer: peer.median)
    found = row.median / slowest.median
    told = f"goal {goal.most:.2f} x {slowest.name}: {found:.2f}"
    if peers := min(slowest.processor):
        # Where the machine is busy, this says whether the row or its neighbours took the time.
        told += f" ({min(row.processor) / peers:.2f} of processors)"
    return f"   {told}{'   MISSED' if found > goal.most else ''}"
