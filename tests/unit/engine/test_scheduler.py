"""The scheduler: every key once, needs found on the way, errors with their cause."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

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


class Other:
    """Computes some of the numbers from 0 on, beside a scheduler, and fails at others."""

    def __init__(self, fails: frozenset[int] = frozenset()) -> None:
        self.fails = fails
        self.sent: deque[list[int]] = deque()
        self.told: list[int] = []

    def can(self, key: int) -> bool:
        return key % 5 != 0

    def send(self, keys: Sequence[int]) -> None:
        self.sent.append([*keys])

    def receive(self) -> dict[int, Callable[[], str]]:
        time.sleep(0.001)
        return {key: partial(self.tell, key) for key in self.sent.popleft() if key not in self.fails}

    def tell(self, key: int) -> str:
        self.told.append(key)
        return f"other {key}"


def test_a_helper_has_the_last_keys_and_is_asked_for_values_in_their_order() -> None:
    helper, here = Other(frozenset({93, 94, 98})), list[int]()

    def compute(key: int, _: Need[int, str]) -> str:
        time.sleep(0.001)
        (here if key not in helper.fails else helper.told).append(key)
        return f"here {key}"

    outcomes = Scheduler(2, compute).run(range(100), [helper])
    assert [*outcomes] == [*range(100)]
    assert outcomes[99] == "other 99"
    assert all(outcomes[key] == f"here {key}" for key in (0, 5, 95, 93, 94, 98))
    assert sorted(here + helper.told) == [*range(100)], "each once"
    assert helper.told == sorted(helper.told), "those that it cannot compute in their turn"


@pytest.mark.parametrize("keep_going", [True, False])
def test_what_helpers_had_behind_a_failure_counts_only_where_it_goes_on(keep_going: bool) -> None:
    helper = Other(frozenset(range(60, 100)))

    def compute(key: int, _: Need[int, str]) -> str:
        time.sleep(0.001)
        if key == 76:
            raise ValueError(key)
        return f"here {key}"

    outcomes = Scheduler(2, compute, keep_going=keep_going).run(range(100), [helper])
    assert isinstance(outcomes[76], ValueError)
    assert outcomes.keys() >= {*range(77)} - {75}
    assert (99 in outcomes) == keep_going


def test_what_somebody_needs_of_what_a_helper_had_is_there_at_once() -> None:
    helper = Other(frozenset({8}))

    def compute(key: int, need: Need[int, str]) -> str:
        if key == 0:
            time.sleep(0.05)
            return " ".join(need([8, 9]))
        return f"here {key}"

    outcomes = Scheduler(2, compute).run([0, 8, 9], [helper])
    assert outcomes[0] == "here 8 other 9"


def test_a_helper_is_asked_for_nothing_that_only_turns_out_to_be_needed() -> None:
    helper, asked = Other(), set[int]()

    def compute(key: int, need: Need[int, str]) -> str:
        time.sleep(0.001)
        return " ".join(need(range(1000, 1020))) if key == 0 else f"here {key}"

    def can(key: int) -> bool:
        asked.add(key)
        return True

    helper.can = can  # type: ignore[method-assign]
    Scheduler(2, compute).run(range(100), [helper])
    assert asked <= {*range(100)}


@pytest.mark.parametrize("count", [1000, 4000])
def test_whether_a_helper_can_is_asked_about_as_often_as_there_are_keys(count: int) -> None:
    helper, asked = Other(), list[int]()

    def can(key: int) -> bool:
        asked.append(key)
        return key % 2 == 0

    helper.can = can  # type: ignore[method-assign]
    Scheduler(2, lambda key, _: str(key)).run(range(count), [helper])
    assert len(asked) <= 2 * count
