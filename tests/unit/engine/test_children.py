"""Children of a build: nothing of them is left, whether they end, or the build does."""

from __future__ import annotations

import subprocess
import sys

from hermpkg_build.disk.processes import Children


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)


def test_a_child_that_is_no_longer_owned_has_ended() -> None:
    children = Children()
    process = sleeper()
    with children.owned(process):
        assert process.poll() is None
    assert process.wait(10) != 0
    assert not children.is_cancelled()


def test_cancelling_kills_the_children_and_tells_whoever_asks() -> None:
    children = Children()
    process = sleeper()
    with children.owned(process):
        children.cancel()
        assert process.wait(10) != 0
    assert children.is_cancelled()
