"""Computes on all cores at once: threads suffice, since hashing, checksums and files work without the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Sequence
from typing import TypeAlias, TypeVar, cast

_T = TypeVar("_T")

Job: TypeAlias = Generator[None, None, _T]
"""Work that returns its result, and yields now and then, where it can be ended."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_all_cores(jobs: Sequence[Job[_T]]) -> list[_T]:
    """Run jobs, as many at once as there are cores, begun in their order; return their results.

    Raises what the first that failed raised. No job goes on then, nor after an interrupt: what they use may
    be closed. With one core, or one job, there is no thread.
    """
    work = _Work(jobs)
    others = [
        threading.Thread(target=work.take_part, name="hermpkg-core", daemon=True)
        for _ in range(min(cores(), len(jobs)) - 1)
    ]
    try:
        for thread in others:
            thread.start()
        work.take_part()
    except BaseException:
        work.end()
        raise
    finally:
        for thread in others:
            if thread.ident is not None:
                thread.join()
    if work.problem is not None:
        raise work.problem
    return cast("list[_T]", work.results)


class _Work:
    """Jobs that several threads take, one after the other."""

    def __init__(self, jobs: Sequence[Job[object]]) -> None:
        self.results: list[object] = [None] * len(jobs)
        self.problem: BaseException | None = None
        self._left = iter(enumerate(jobs))
        self._taking = threading.Lock()
        self._ended = False

    def take_part(self) -> None:
        """Do jobs until none is left, or one failed; an interrupt of this thread is raised."""
        while (taken := self._next()) is not None:
            number, job = taken
            try:
                while not self._ended:
                    next(job)
            except StopIteration as end:
                self.results[number] = end.value
            except BaseException as problem:  # noqa: BLE001 -- it is raised in the thread that waits
                with self._taking:
                    self.problem = self.problem or problem
                self._ended = True
            finally:
                job.close()

    def end(self) -> None:
        """Let no job go on beyond its next yield."""
        self._ended = True

    def _next(self) -> tuple[int, Job[object]] | None:
        with self._taking:
            return None if self._ended else next(self._left, None)
