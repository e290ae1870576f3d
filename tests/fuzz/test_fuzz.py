"""Mutants keep the laws of reading, and what breaks a law is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).with_name("run.py")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, str(RUN), *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)


def test_mutants_of_archives_keep_the_laws(tmp_path):
    tried = run(tmp_path, "600", "archives")
    assert tried.returncode == 0, tried.stdout
    assert tried.stdout.startswith("archives: 600 mutants in ")
