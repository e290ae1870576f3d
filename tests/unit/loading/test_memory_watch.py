"""A process that takes too much memory is ended from outside, where no system does it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from hermpkg_build.loading import interpreter_process, memory_watch
from hermpkg_build.loading.interpreter_process import InterpreterProcess


def child(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdout=subprocess.PIPE)


def test_a_process_that_takes_more_is_killed() -> None:
    with child("import time; x = bytearray(b'x') * (300 << 20); time.sleep(600)") as process:
        memory_watch.watch(process, 100 << 20)
        assert process.wait() == -signal.SIGKILL


def test_one_that_takes_less_is_not() -> None:
    with child("x = bytearray(b'x') * (1 << 20); print(len(x))") as process:
        memory_watch.watch(process, 1 << 30)
        assert process.wait() == 0


def test_what_is_told_is_what_it_has() -> None:
    with child(
        "import time; x = bytearray(b'x') * (64 << 20); print(1, flush=True); time.sleep(600)"
    ) as process:
        assert process.stdout
        process.stdout.readline()
        assert 64 << 20 < memory_watch.memory_of(process.pid) < 200 << 20
        process.kill()
    assert memory_watch.memory_of(process.pid) == 0


def test_the_interpreter_is_watched_where_the_system_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = []
    monkeypatch.setattr(interpreter_process, "is_bounded_by_system", lambda: False)
    monkeypatch.setattr(interpreter_process, "watch", lambda process, most: watched.append(most))
    InterpreterProcess().end()
    assert watched == [interpreter_process.MOST_ADDRESSES]
