"""Signatures of many files: helper processes find the same as one process does, also where they end early."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from hermpkg_build.disk import signature_check
from hermpkg_build.disk.signature_check import ABSENT, UNKNOWN, SignatureCheck, mark_of
from hermpkg_build.disk.signatures import signature_of

COUNT = 40


@pytest.fixture(params=[0, 1, 3])
def helpers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(signature_check, "_helpers_for", lambda _: request.param)
    return int(request.param)


@pytest.fixture
def seen(tmp_path: Path) -> tuple[list[str], list[int]]:
    """Files with their marks, one that is not there, and one whose mark was never to be trusted."""
    paths = [tmp_path / f"file {number}" for number in range(COUNT)]
    for path in paths:
        path.write_text("x")
    marks = [mark_of(signature_of(path.stat())) for path in paths]
    absent = tmp_path / "absent"
    return [*map(str, paths), str(absent), str(absent / "below")], [*marks, ABSENT, ABSENT]


def differing(paths: Sequence[str], marks: Sequence[int]) -> list[str]:
    check = SignatureCheck(paths, marks)
    try:
        return sorted(check.differing())
    finally:
        check.close()


def test_what_has_changed_is_found_wherever_it_stands(
    seen: tuple[list[str], list[int]], helpers: int
) -> None:
    paths, marks = seen
    assert differing(paths, marks) == []
    for number in (0, COUNT // 2, COUNT - 1):
        os.utime(paths[number], ns=(1, 1))
    os.unlink(paths[1])
    Path(paths[-2]).write_text("there now")
    marks[2] = UNKNOWN
    changed = [paths[number] for number in (0, 1, 2, COUNT // 2, COUNT - 1, -2)]
    assert differing(paths, marks) == sorted(changed)
    assert differing([], []) == []


def test_the_work_of_a_helper_that_ends_early_is_done_here(
    seen: tuple[list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, marks = seen
    monkeypatch.setattr(signature_check, "_helpers_for", lambda _: 2)
    parent, look = os.getpid(), signature_check._differing

    def dies_elsewhere(*arguments: object) -> list[int]:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return look(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(signature_check, "_differing", dies_elsewhere)
    os.utime(paths[0], ns=(1, 1))
    assert differing(paths, marks) == [paths[0]]


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_process_that_cannot_be_doubled_does_all_itself(
    seen: tuple[list[str], list[int]], monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    forks, fork = iter(range(9)), os.fork

    def refuse() -> int:
        if next(forks) == refused:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(signature_check, "_helpers_for", lambda _: 2)
    monkeypatch.setattr(os, "fork", refuse)
    changed = [seen[0][number] for number in (1, COUNT // 2, COUNT - 1)]
    for path in changed:
        os.utime(path, ns=(1, 1))
    assert differing(*seen) == sorted(changed)


def test_helpers_whose_answers_nobody_needs_are_ended(
    seen: tuple[list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_check, "_helpers_for", lambda _: 2)
    check = SignatureCheck(*seen)
    started = [pid for pid, _, _ in check._helpers]
    check.close()
    assert len(started) == 2
    for pid in started:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
