"""How far a build is, what runs, and how long the rest may take."""

from __future__ import annotations

import time

import pytest

from hermpkg_build.cli import progress
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.live import cut_to
from hermpkg_build.cli.progress import Display
from hermpkg_build.cli.running import Running


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_line_counts_and_the_others_say_what_runs(clock: Clock) -> None:
    running = Running(clock)
    running.plan(3, 2, {})
    running.start("make-model", "//m:a\x1b[2J")
    running.step()
    clock.now += 75
    assert running.lines(80, 10) == ["[1/3]  1 min 15 s", "  making //m:a\\x1b[2J  1 min 15 s"]
    assert running.stop("make-model", "//m:a\x1b[2J") == 75
    assert running.stop("make-model", "//m:never") is None
    assert running.lines(80, 10) == ["[1/3]  1 min 15 s"]


def test_bytes_that_moved_are_shown(clock: Clock) -> None:
    running = Running(clock)
    running.start("fetch", "x")
    running.stop("fetch", "x", 2_000_000)
    assert running.lines(80, 10) == ["0 s  2.0 MB fetched"]


def test_no_more_lines_than_there_are_rows(clock: Clock) -> None:
    running = Running(clock)
    for number in range(9):
        running.start("test", str(number))
    assert len(running.lines(80, 5)) == 5
    assert running.lines(80, 5)[-1] == "  and 6 more"
    assert len(running.lines(80, 1)) == 1


def test_the_rest_is_estimated_by_the_last_build(clock: Clock) -> None:
    running = Running(clock)
    running.plan(3, 1, {("make-model", "a"): 30.0, ("make-model", "b"): 20.0, ("test", "t"): 5.0})
    running.start("make-model", "a")
    assert "about 55 s left" in running.lines(80, 9)[0]
    clock.now += 10
    assert "about 45 s left" in running.sign_of_life()
    running.stop("make-model", "b")
    assert "about 25 s left" in running.sign_of_life(), "a cache had the other one"
    clock.now += 60
    assert "about 5 s left" in running.sign_of_life(), "it takes longer than last time"
    running.start("make-model", "new")
    assert "left" not in running.sign_of_life(), "nobody knows how long a new one takes"


def test_two_of_the_same_name_are_two(clock: Clock) -> None:
    running = Running(clock)
    running.start("test", "t")
    running.start("test", "t")
    running.stop("test", "t")
    assert running.sign_of_life() == "0 s: testing t (0 s)"
    running.stop("test", "t")
    assert running.sign_of_life() == ""


@pytest.mark.parametrize(
    "text", ["", "short", "just ten..", "more than ten", "做模型做模型做模型", "e\u0301" * 12]
)
def test_a_line_never_wraps(text: str) -> None:
    def width(line: str) -> int:
        return sum(0 if c == "\u0301" else 2 if c > "\u3000" else 1 for c in line)

    cut = cut_to(text, 10)
    assert width(cut) <= 10
    assert cut == text if width(text) <= 10 else cut.endswith("…")


def run_for(display: Display, seconds: float) -> None:
    display.action_started("make-model", "//m:slow")
    time.sleep(seconds)
    display.action_finished("make-model", "//m:slow", cached=False)
    display.close()


def test_a_sign_of_life_where_nothing_is_said_for_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.1)
    run_for(Display(Console()), 0.5)
    told = capsys.readouterr()
    assert told.err.startswith("0 s: making //m:slow (0 s)\n")
    assert told.out == ""


@pytest.mark.parametrize("console", [{"quiet": True}, {"json": True}])
def test_no_sign_of_life_where_none_is_wanted(
    console: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.05)
    run_for(Display(Console(**console)), 0.3)
    assert capsys.readouterr() == ("", "")
