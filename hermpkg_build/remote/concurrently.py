"""Runs several transfers at once: one alone waits for the network most of the time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 4

_T = TypeVar("_T")


def all_of(*jobs: Callable[[], _T]) -> list[_T]:
    """Run all jobs, a few at once; their results. Raises what the first that failed raised."""
    if len(jobs) <= 1:
        return [job() for job in jobs]
    pool = ThreadPoolExecutor(min(_THREADS, len(jobs)), thread_name_prefix="hermpkg-transfer")
    futures = [pool.submit(job) for job in jobs]
    try:
        results = [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return results
