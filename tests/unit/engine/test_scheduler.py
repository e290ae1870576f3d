"""The scheduler: every key once, needs found on the way, errors with their cause."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from hermpkg_build.engine.scheduler import DependencyFailedError, Need, Scheduler

NEEDS = {"top": ["left", "right"], "left": ["base"], "right": ["base"], "base": []}


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_a_diamond_is_computed_once_whatever_the_number_of_threads(jobs: int) -> None:
    runs: Counter[str] = Counter()
    lock = threading.Lock()

    def compute(key: str, need: Need[str, str]) -> str:
        with lock:
            runs[key] += 1
        return f"{key}({','.join(need(NEEDS[key]))})"

    outcomes = Scheduler(jobs, compute).run(["top", "base"])
    assert outcomes == {"top": "top(left(base()),right(base()))", "base": "base()"}
    assert set(runs.values()) == {1}


def test_tasks_run_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=120)

    def compute(key: int, need: Need[int, int]) -> int:
        return barrier.wait()

    assert sorted(Scheduler(3, compute).run([1, 2, 3]).values()) == [0, 1, 2]  # type: ignore[type-var]


def test_there_are_no_more_threads_than_keys() -> None:
    before, seen = threading.active_count(), set()

    def compute(key: int, need: Need[int, int]) -> int:
        seen.add(threading.active_count() - before)
        time.sleep(0.01)
        return sum(need([key * 2 + 1, key * 2 + 2])) + 1 if key < 7 else 1

    assert Scheduler(999_999_999, compute).run([0]) == {0: 15}
    assert max(seen) <= 15


def test_what_a_task_needs_is_shared_out_to_idle_threads() -> None:
    barrier = threading.Barrier(2, timeout=120)

    def compute(key: str, need: Need[str, int]) -> int:
        return sum(need(["a", "b"])) if key == "top" else barrier.wait()

    assert Scheduler(2, compute).run(["top"]) == {"top": 1}


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_failure_reaches_those_that_need_it_with_its_cause(jobs: int) -> None:
    def compute(key: str, need: Need[str, str]) -> str:
        if key == "base":
            raise ValueError("broken")
        return "".join(need(NEEDS[key]))

    outcomes = Scheduler(jobs, compute, keep_going=True).run(["top", "base"])
    assert isinstance(outcomes["base"], ValueError)
    failure = outcomes["top"]
    assert isinstance(failure, DependencyFailedError)
    assert failure.cause is outcomes["base"]


def test_without_keep_going_nothing_new_starts_after_a_failure() -> None:
    started = []

    def compute(key: int, need: Need[int, int]) -> int:
        started.append(key)
        if key == 1:
            raise ValueError
        return key

    outcomes = Scheduler(1, compute).run([0, 1, 2, 3])
    assert started == [0, 1]
    assert outcomes.keys() == {0, 1}


def test_with_keep_going_the_others_are_computed() -> None:
    def compute(key: int, need: Need[int, int]) -> int:
        return 1 // key

    outcomes = Scheduler(2, compute, keep_going=True).run([0, 1])
    assert outcomes[1] == 1
    assert isinstance(outcomes[0], ZeroDivisionError)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_long_chain_of_needs_is_followed(jobs: int) -> None:
    def compute(key: int, need: Need[int, int]) -> int:
        return need([key - 1])[0] + 1 if key else 0

    assert Scheduler(jobs, compute).run([100]) == {100: 100}


def test_an_interrupt_is_not_an_outcome() -> None:
    def compute(key: int, need: Need[int, int]) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Scheduler(1, compute).run([1])
