"""The extension in C reads and writes under sanitizers, and what reads too far or too late is noticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("sanitized.py")
SOURCES = ["hermpkg_build/source/native", "hermpkg_build/pickles/native"]


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
    guard = "if (*place == '\\n' || !*place) return ODD;"
    change(tmp_path, "hermpkg_build/source/native/lines.c", guard, "if (*place == '\\n') return ODD;")
    completed = run("0", str(tmp_path))
    assert completed.returncode not in (0, 69)
    assert "heap-buffer-overflow" in completed.stderr


def test_an_object_that_is_used_after_its_end_is_noticed(tmp_path):
    change(tmp_path, "hermpkg_build/pickles/native/walk.c", "    Py_XINCREF(part);\n", "")
    completed = run("200", str(tmp_path))
    assert completed.returncode not in (0, 69)
    assert "heap-use-after-free" in completed.stderr


def change(folder: Path, file: str, before: str, after: str) -> None:
    """Copy the sources to a folder, with one change."""
    for part in SOURCES:
        shutil.copytree(RUN.parents[2] / part, folder / part)
    text = (folder / file).read_text()
    assert text.count(before) == 1
    (folder / file).write_text(text.replace(before, after))
