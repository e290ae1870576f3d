"""Mutants keep the laws of reading, and what breaks a law is noticed.

A few hundred of each target here, ten times as many in ``make thorough``, and as many as one likes by
``make fuzz``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
AGAIN = Path(__file__).with_name("again.py")
CORPUS = Path(__file__).with_name("corpus")
TARGETS = Path(__file__).with_name("targets")

COUNTS = {
    "archives": 150,
    "build_files": 100,
    "folders": 80,
    "grpc_answers": 300,
    "http_answers": 300,
    "kept": 2_000,
    "locks": 3_000,
    "pickles": 1_000,
    "plain_objects": 200,
    "plain_sources": 5_000,
    "registries": 2_000,
    "scans": 200,
    "signatures": 600,
    "sources": 800,
    "tensors": 100,
    "torchscript": 70,
    "weights": 200,
    "words": 2_000,
}
"""Each about a second or two."""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, str(RUN), *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)


def test_every_target_is_tried():
    found = {file.stem for file in TARGETS.glob("*.py") if "\nTARGET = " in file.read_text(encoding="utf-8")}
    assert found == COUNTS.keys()


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("target", COUNTS)
def test_mutants_keep_the_laws(target, times, tmp_path):
    if target == "grpc_answers":
        pytest.importorskip("grpc")
    if target == "signatures":
        pytest.importorskip("model_signing")
    if target in ("plain_objects", "plain_sources"):
        pytest.importorskip("hermpkg_speed")
    count = times * COUNTS[target]
    tried = run(tmp_path, str(count), target)
    assert tried.returncode == 0, tried.stdout
    assert tried.stdout.startswith(f"{target}: {count} mutants in ")


@pytest.mark.parametrize("target", sorted(path.name for path in CORPUS.iterdir()))
def test_what_coverage_led_to_keeps_the_laws(target):
    tried = subprocess.run(
        [sys.executable, str(AGAIN), target], stdout=subprocess.PIPE, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout
    assert " 0 laws broken" in tried.stdout


def test_whatever_breaks_a_law_is_noticed(tmp_path):
    tried = run(tmp_path, "8", "controls.faulty")
    assert tried.returncode == 1
    told = [line for line in tried.stdout.splitlines() if line.startswith("mutant ")]
    assert [line.partition(" of ")[0] for line in told[:5]] == [f"mutant {n}" for n in (1, 3, 4, 5)] + [
        told[4]
    ]
    wanted = ("raised KeyError", "printed 300", "took 1", "took 5", "mutant 6 ended the process with -11")
    assert all(word in line for word, line in zip(wanted, told, strict=True)), tried.stdout
    assert "8 mutants in" in tried.stdout


def test_a_verification_that_passes_everything_is_noticed(tmp_path):
    tried = run(tmp_path, "12", "controls.unverified")
    assert tried.returncode == 1
    assert "verified, but" in tried.stdout
