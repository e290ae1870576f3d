"""Jobs on all cores: results in order, the first problem told, no job left behind."""

import threading
from collections.abc import Generator

import pytest

from hermpkg_build.disk import all_cores
from hermpkg_build.disk.all_cores import on_all_cores


@pytest.fixture(params=[1, 2, 5])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(all_cores, "cores", lambda: request.param)
    return int(request.param)


def counting(number: int) -> Generator[None, None, int]:
    for _ in range(number):
        yield
    return number


def failing(problem: BaseException) -> Generator[None, None, int]:
    yield
    raise problem


@pytest.mark.usefixtures("cores")
def test_results_are_in_the_order_of_the_jobs() -> None:
    assert on_all_cores([counting(number) for number in (5, 0, 3, 99)]) == [5, 0, 3, 99]
    assert on_all_cores([]) == []


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("problem", [OSError("full"), KeyboardInterrupt()])
def test_a_problem_is_raised_and_no_thread_is_left(problem: BaseException) -> None:
    with pytest.raises(type(problem)):
        on_all_cores([counting(3), failing(problem), *(counting(1000) for _ in range(9))])
    assert not [thread for thread in threading.enumerate() if thread.name == "hermpkg-core"]


def test_jobs_that_run_are_ended_at_their_next_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_cores, "cores", lambda: 2)
    begun = threading.Event()
    closed = threading.Event()

    def endless() -> Generator[None, None, int]:
        try:
            while True:
                begun.set()
                yield
        finally:
            closed.set()

    def failing_later() -> Generator[None, None, int]:
        begun.wait()
        yield
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        on_all_cores([endless(), failing_later()])
    assert closed.is_set()


def test_the_last_job_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_cores, "cores", lambda: 2)
    nothing_left = threading.Event()

    def last() -> Generator[None, None, int]:
        nothing_left.wait()
        yield
        return 1

    def leaving() -> Generator[None, None, int]:
        yield
        nothing_left.set()
        return 2

    assert on_all_cores([last(), leaving()]) == [1, 2]


def test_as_many_run_at_once_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_cores, "cores", lambda: 3)
    together = threading.Barrier(3, timeout=300)

    def meeting() -> Generator[None, None, int]:
        yield
        return together.wait()

    assert sorted(on_all_cores([meeting() for _ in range(3)])) == [0, 1, 2]
