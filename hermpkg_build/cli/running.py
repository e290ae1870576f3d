"""What runs in a build at a moment, how far it is, and how long the rest may take."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.printable import one_line

if TYPE_CHECKING:
    from hermpkg_build.engine.durations import Durations

# What people see of work while it runs, by its kind.
WORDS = {
    "load": "loading",
    "resolve": "resolving the imports of",
    "analyse": "analysing",
    "make-model": "making",
    "assemble": "assembling",
    "test": "testing",
    "fetch": "fetching",
    "upload": "uploading",
}
_WORTH_TELLING_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that runs, since a time of the clock."""

    kind: str
    subject: str
    since: float

    @property
    def text(self) -> str:
        """What people see of it: ``making //models:resnet``."""
        return f"{WORDS.get(self.kind, self.kind)} {one_line(self.subject)}"


class Running:
    """The work of a build as observers tell of it, for any number of threads. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._work: list[Work] = []
        self._steps = self._finished = 0
        self._jobs = 1
        self._expected: Durations = {}
        self._seen: set[tuple[str, str]] = set()
        self._moved: Counter[str] = Counter()
        self._lock = threading.Lock()

    def plan(self, steps: int, jobs: int, expected: Durations) -> None:
        """Know how many steps there are, and how long their actions may take."""
        with self._lock:
            self._steps, self._jobs, self._expected = steps, max(1, jobs), expected

    def step(self) -> None:
        """Count a step that is done."""
        with self._lock:
            self._finished += 1

    def start(self, kind: str, subject: str) -> None:
        """Know that some work begins."""
        with self._lock:
            self._seen.add((kind, subject))
            self._work.append(Work(kind=kind, subject=subject, since=self._clock()))

    def stop(self, kind: str, subject: str, moved: int = 0) -> float | None:
        """Know that it ended; return how long it took, None where it never began."""
        with self._lock:
            self._seen.add((kind, subject))
            self._moved[kind] += moved
            for work in self._work:
                if (work.kind, work.subject) == (kind, subject):
                    self._work.remove(work)
                    return self._clock() - work.since
        return None

    @property
    def count(self) -> str:
        """How many of the steps are done: ``[3/12]``, "" where there are none."""
        return f"[{self._finished}/{max(self._steps, self._finished)}]" if self._steps else ""

    def lines(self, columns: int, rows: int) -> list[str]:  # noqa: ARG002 - lines are cut by who shows them
        """Return a line on the whole, and one for each work that runs, at most `rows`."""
        with self._lock:
            now, running = self._clock(), list(self._work)
            rest = self._rest(now)
        head = [self.count, time_text(now - self._began), *self._transfers()]
        if rest is not None and rest >= _WORTH_TELLING_S:
            head.append(f"about {time_text(rest)} left")
        shown = running[: max(1, rows - 2)] if len(running) > rows - 1 else running
        more = [f"  and {len(running) - len(shown)} more"] if len(shown) < len(running) else []
        works = [f"  {work.text}  {time_text(now - work.since)}" for work in shown]
        return ["  ".join(filter(None, head)), *works, *more][:rows]

    def sign_of_life(self) -> str:
        """Say in one line what runs, and for how long; "" where nothing does."""
        with self._lock:
            now, running = self._clock(), list(self._work)
            rest = self._rest(now)
        if not running:
            return ""
        works = [f"{work.text} ({time_text(now - work.since)})" for work in running[:3]]
        if len(running) > len(works):
            works.append(f"{counted(len(running) - len(works), 'other')}")
        left = f"; about {time_text(rest)} left" if rest is not None and rest >= _WORTH_TELLING_S else ""
        return (
            " ".join(filter(None, [self.count, f"{time_text(now - self._began)}:", ", ".join(works)])) + left
        )

    def _transfers(self) -> list[str]:
        return [
            f"{size_text(self._moved[kind])} {kind}ed" for kind in ("fetch", "upload") if self._moved[kind]
        ]

    def _rest(self, now: float) -> float | None:
        """Estimate the seconds left by those that actions took last; None where one that runs is new."""
        lefts = []
        for work in self._work:
            expected = self._expected.get((work.kind, work.subject))
            if expected is None and work.kind in ("make-model", "assemble", "test"):
                return None
            lefts.append(max(0.0, (expected or 0.0) - (now - work.since)))
        lefts += [seconds for key, seconds in self._expected.items() if key not in self._seen]
        return max(max(lefts, default=0.0), sum(lefts) / self._jobs)


def time_text(seconds: float) -> str:
    """Write a time for people.

    >>> time_text(7.4), time_text(125), time_text(7260)
    ('7 s', '2 min 5 s', '2 h 1 min')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
