"""Calls that are sent to a worker while it makes another one: nothing shows of it but that they are quick."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageExporter
from hermpkg_build.serving import CallTimeoutError, Pool, WorkerDiedError
from hermpkg_build.serving.channel import Channel
from hermpkg_build.serving.line import Line
from tests.serving.conftest import write_artifact

SOURCE = """
import os, signal, time

VERSION = {version!r}


def mark(path, number, seconds=0, end=False):
    # What was begun is written down, whatever becomes of it.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{{number}}\\n".encode())
    os.close(file)
    time.sleep(seconds)
    if end:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid(), VERSION
"""


def write_marking(path: Path, version: str = "1") -> str:
    aside = path.with_suffix(".new")
    with PackageExporter(str(aside)) as exporter:
        exporter.extern(["os", "signal", "time"])
        exporter.save_source_string("app", SOURCE.format(version=version))
    os.replace(aside, path)
    return str(path)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_marking(tmp_path_factory.mktemp("ahead") / "app.pt")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"


def begun(marks: Path) -> list[int]:
    return [int(line) for line in marks.read_text().split()] if marks.exists() else []


class Held:
    """Worker 0 of a pool makes a call of `seconds`, and `count` others were sent ahead to it."""

    def __init__(self, pool: Pool, marks: Path, seconds: float, count: int = 1, **options: Any) -> None:
        bound = pool.bind("app:mark", worker=0)
        for _ in range(20):
            bound(str(marks), -1)
        # These wait while the first is made, and are sent one after the other when it is done.
        first = bound.submit(str(marks), -1, 0.1)
        self.long = bound.submit(str(marks), 0, seconds)
        self.others: list[Future[Any]] = [
            pool.bind("app:mark", **options).submit(str(marks), number + 1) for number in range(count)
        ]
        first.result()
        wait_for(lambda: len(ahead(pool)) >= count)


def ahead(pool: Pool) -> list[Any]:
    return [call for calls in list(pool._waiting._ahead.values()) for call in list(calls)]


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_most_of_many_calls_are_sent_while_another_is_made(artifact, marks, monkeypatch):
    """So a worker need not be woken for each; and each call is one message to it and one from it."""
    sent: Counter[bool] = Counter()
    messages: Counter[str] = Counter()
    send, receive = Line._send, Channel.receive
    monkeypatch.setattr(
        Line,
        "_send",
        lambda self, calls, *, ahead: sent.update([ahead]) or send(self, calls, ahead=ahead),
    )
    monkeypatch.setattr(Channel, "receive", lambda self: messages.update(["in"]) or receive(self))
    with Pool(artifact, 2, preload=()) as pool:
        list(pool.map("app:mark", [str(marks)] * 20, range(20)))
        sent.clear(), messages.clear()
        list(pool.map("app:mark", [str(marks)] * 300, range(300)))
    assert sent[True] > 200
    assert 300 <= sum(sent.values()) < 400
    assert messages["in"] < 400
    assert Counter(begun(marks)) == Counter(range(300)) + Counter(range(20))


def test_one_that_waits_in_a_worker_can_be_cancelled(artifact, marks):
    with Pool(artifact, 1, preload=()) as pool:
        held = Held(pool, marks, 0.5)
        assert pool.state().waiting == 1
        assert held.others[0].cancel()
        assert pool.state().waiting == 0
        assert held.long.result()[0] == 0
        pool.call("app:mark", str(marks), 99)
        assert begun(marks)[-2:] == [0, 99]


def test_one_that_waits_for_its_time_in_a_worker_is_not_made_and_ends_nothing(artifact, marks):
    with Pool(artifact, 1, preload=()) as pool:
        held = Held(pool, marks, 2.5, timeout=0.4)
        with pytest.raises(CallTimeoutError, match="waited"):
            held.others[0].result()
        assert held.long.result()[:2] == (0, pool.state().workers[0])
        pool.call("app:mark", str(marks), 99)
        assert begun(marks)[-2:] == [0, 99]
        assert pool.state().replaced == 0


def test_the_time_of_one_call_ends_no_other(artifact, marks):
    """Neither the one before it, whose worker is let alone, nor those after it."""
    with Pool(artifact, 1, preload=()) as pool:
        held = Held(pool, marks, 0.3, count=1)
        with pytest.raises(CallTimeoutError, match="made it"):
            pool.call("app:mark", str(marks), 98, 600, timeout=2.5)
        assert held.long.result()[0] == 0
        assert held.others[0].result()[0] == 1
        assert pool.call("app:mark", str(marks), 99)[0] == 99
        assert Counter(begun(marks)[-4:]) == Counter([0, 1, 98, 99])


def test_one_that_waits_in_a_worker_is_made_by_another_that_is_free(artifact, marks):
    with Pool(artifact, 2, preload=()) as pool:
        other = pool.bind("app:mark", worker=1)
        other(str(marks), -1)
        busy = other.submit(str(marks), -1, 0.4)
        held = Held(pool, marks, 30)
        assert not busy.done()
        assert held.others[0].result()[1] == busy.result()[1]
        assert not held.long.done()
        pool.close(drain=False)


def test_one_that_waits_for_long_in_a_worker_is_not_overtaken(artifact, marks):
    """The next worker makes it, though there are others that came later, and worker 0 is hung."""
    with Pool(artifact, 2, preload=()) as pool:
        other = pool.bind("app:mark", worker=1)
        for _ in range(20):
            other(str(marks), -1)
        busy = other.submit(str(marks), -1, 0.4)
        held = Held(pool, marks, 30)
        later = [pool.submit("app:mark", str(marks), 100 + number, 0.002) for number in range(100)]
        assert not busy.done()
        held.others[0].result()
        assert not later[-1].done()
        assert not held.long.done()
        pool.close(drain=False)


def test_a_worker_that_dies_takes_with_it_what_had_begun_and_nothing_else(artifact, marks):
    with Pool(artifact, 1, preload=()) as pool:
        for _ in range(20):
            pool.call("app:mark", str(marks), -1)
        first = pool.submit("app:mark", str(marks), -1, 0.2)
        deadly = pool.submit("app:mark", str(marks), 0, 0.1, end=True)
        others = [pool.submit("app:mark", str(marks), number) for number in range(1, 6)]
        assert first.result()
        with pytest.raises(WorkerDiedError):
            deadly.result()
        assert [other.result()[0] for other in others] == [1, 2, 3, 4, 5]
        assert begun(marks)[-6:] == [0, 1, 2, 3, 4, 5]


def test_calls_behind_any_number_of_deadly_ones_are_made(artifact, marks):
    with Pool(artifact, 1, preload=()) as pool:
        for _ in range(20):
            pool.call("app:mark", str(marks), -1)
        deadly = [pool.submit("app:mark", str(marks), 0, end=True) for _ in range(25)]
        last = pool.submit("app:mark", str(marks), 1)
        assert all(isinstance(each.exception(), WorkerDiedError) for each in deadly)
        assert last.result()[0] == 1


def test_one_that_waits_in_a_worker_is_made_by_the_version_that_takes_over(tmp_path, marks):
    path = tmp_path / "app.pt"
    with Pool(write_marking(path), 1, preload=()) as pool:
        held = Held(pool, marks, 1.5)
        write_marking(path, "2")
        pool.swap()
        assert held.others[0].result()[2] == "2"
        assert held.long.result()[2] == "1"


def test_no_call_is_made_twice_nor_lost_whatever_is_killed_and_cancelled(artifact, marks):
    """Without retries: each call has one end, and none is begun twice, or begun and yet cancelled."""
    chance = random.Random(7)
    with Pool(artifact, 3, preload=(), queue=4096) as pool:
        stopped, victims = threading.Event(), random.Random(1)

        def kill() -> None:
            while not stopped.wait(0.03):
                with suppress(ProcessLookupError):
                    os.kill(victims.choice(pool.state().workers), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        futures = []
        cancelled: set[int] = set()
        for number in range(1500):
            bound = pool.bind("app:mark", timeout=chance.choice((None, None, None, 0.005, 60)))
            futures.append(bound.submit(str(marks), number, chance.choice((0, 0, 0, 0.003))))
            earlier = chance.randrange(max(0, number - 40), number + 1)
            if chance.random() < 0.2 and futures[earlier].cancel():
                cancelled.add(earlier)
        ends = Counter(end_of(future, number) for number, future in enumerate(futures))
        stopped.set()
        killer.join()
    made = Counter(begun(marks))
    assert not [number for number, times in made.items() if times > 1]
    assert not cancelled & set(made)
    assert ends["cancelled"] == len(cancelled)
    assert sum(ends.values()) == 1500
    assert ends["answered"] > 500
    assert ends["died"] > 0


def end_of(future: Future[Any], number: int) -> str:
    try:
        assert future.result(60)[0] == number
    except WorkerDiedError:
        return "died"
    except CallTimeoutError:
        return "late"
    except CancelledError:
        return "cancelled"
    return "answered"


def test_the_queue_counts_what_waits_in_workers(tmp_path):
    from hermpkg_build.serving import QueueFullError

    with Pool(write_artifact(tmp_path / "app.pt"), 1, preload=(), queue=4) as pool:
        for _ in range(20):
            pool.call("app:version")
        bound = pool.bind("app:version", wait=False)
        futures = [pool.submit("app:version", 0.3) for _ in range(5)]
        wait_for(lambda: pool.state().waiting == 4)
        with pytest.raises(QueueFullError):
            bound.submit()
        assert [future.result() for future in futures] == ["1"] * 5
