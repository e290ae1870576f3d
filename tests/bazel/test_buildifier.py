"""What Bazel reads is formatted and free of what buildifier warns of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_UNAVAILABLE = 69


def test_buildifier_has_nothing_to_say() -> None:
    script = Path(__file__).with_name("buildifier.sh")
    ran = subprocess.run(["sh", str(script), "check"], capture_output=True, text=True, check=False)
    if ran.returncode == _UNAVAILABLE:
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout + ran.stderr == ""
