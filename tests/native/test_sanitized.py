"""The scanner in C reads mutants under sanitizers, and what reads too far is noticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("sanitized.py")
SOURCES = RUN.parents[2] / "hermpkg_build/source/native"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    completed = subprocess.run(
        [sys.executable, str(RUN), *words], capture_output=True, text=True, check=False
    )
    if completed.returncode == 69:
        pytest.skip(completed.stderr.splitlines()[-1])
    return completed


def test_mutants_are_read_within_bounds():
    completed = run("500")
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("500 mutants read")


def test_a_string_that_is_read_beyond_the_end_is_noticed(tmp_path):
    shutil.copytree(SOURCES, tmp_path / "c")
    file = tmp_path / "c/lines.c"
    text = file.read_text()
    guard = "if (*place == '\\n' || !*place) return ODD;"
    assert text.count(guard) == 1
    file.write_text(text.replace(guard, "if (*place == '\\n') return ODD;"))
    completed = run("0", str(tmp_path / "c"))
    assert completed.returncode not in (0, 69)
    assert "heap-buffer-overflow" in completed.stderr
