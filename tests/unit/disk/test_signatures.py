"""A signature is trusted once no later change can hide behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hermpkg_build
from hermpkg_build.disk.signatures import SETTLING_NS, is_settled, signature_of

NOW = 1_700_000_000 * 10**9


def test_a_signature_is_made_of_what_a_change_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")
    status = path.stat()
    assert signature_of(status) == (4, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def test_both_times_must_lie_back() -> None:
    old, new = NOW - SETTLING_NS, NOW - SETTLING_NS + 1
    assert is_settled((4, old, old, 1, 1), NOW)
    assert not is_settled((4, new, old, 1, 1), NOW)
    assert not is_settled((4, old, new, 1, 1), NOW)
    assert not is_settled((4, NOW + 10**18, old, 1, 1), NOW)


def test_the_module_loads_nothing_heavy() -> None:
    program = (
        "import sys, hermpkg_build\n"
        "before = set(sys.modules)\n"
        "import hermpkg_build.disk.signatures\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    root = os.path.dirname(os.path.dirname(hermpkg_build.__file__))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["hermpkg_build.disk", "hermpkg_build.disk.signatures"]
