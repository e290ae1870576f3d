"""Groups of processes end whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.disk.processes import Children, kill_group

FAMILY = """
import os, signal, sys, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    {parent}
os.fork()
# Whoever reads that this one works finds a file of it.
open(f"{{sys.argv[1]}}/{{os.getpid()}}", "w").close()
print(os.getpid(), flush=True)
while True:
    open(f"{{sys.argv[1]}}/{{time.monotonic_ns()}}", "w").close()
"""


@pytest.mark.parametrize("parent", ["time.sleep(600)", "os.wait()", "os._exit(0)"])
def test_who_was_killed_writes_no_file_afterwards(tmp_path: Path, parent: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY.format(parent=parent), tmp_path],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        # Both children work by now.
        process.stdout.readline()
        process.stdout.readline()
        kill_group(process)
    files = os.listdir(tmp_path)
    assert files
    kill_group(process)
    assert os.listdir(tmp_path) == files


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


def test_cancelling_ends_the_children_that_are_and_those_that_come() -> None:
    children = Children()
    first = sleeper()
    with children.owned(first):
        assert not children.is_cancelled()
        children.cancel()
        assert first.returncode == -signal.SIGKILL
    second = sleeper()
    with children.owned(second):
        assert second.returncode == -signal.SIGKILL
    assert children.is_cancelled()


def test_a_part_of_the_children_ends_alone_or_with_the_whole() -> None:
    whole = Children()
    one, other = whole.part(), whole.part()
    first, second = sleeper(), sleeper()
    with one.owned(first), other.owned(second):
        one.cancel()
        assert (first.poll(), second.poll()) == (-signal.SIGKILL, None)
        assert [each.is_cancelled() for each in (one, other, whole)] == [True, False, False]
        whole.cancel()
        assert second.returncode == -signal.SIGKILL
        assert other.is_cancelled()
    third = sleeper()
    with other.owned(third):
        assert third.returncode == -signal.SIGKILL


def test_a_child_is_owned_until_the_end_of_the_context() -> None:
    process = sleeper()
    with Children().owned(process):
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
