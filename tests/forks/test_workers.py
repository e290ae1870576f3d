"""Tests in forked processes come to what they come to in one, each once; a process that dies is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.forks.processes import REPOSITORY

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="forks are for Linux")

_PLUGINS = ("tests.forks.workers", "no:cacheprovider", "no:hypothesispytest", "no:xdist")
PYTEST = [sys.executable, "-m", "pytest", *(word for name in _PLUGINS for word in ("-p", name))]
TESTS = """
import os, sys, time, warnings
import pytest

class OwnWarning(UserWarning):
    pass

@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared")
    yield path
    print("taken down")

@pytest.fixture
def begins_badly():
    print("begun")
    raise OSError("nothing there")

@pytest.mark.parametrize("number", range(20))
def test_many(number, shared, request, tmp_path):
    assert not any(tmp_path.iterdir())
    with open(os.environ["RUN"], "a") as run:
        run.write(f"{os.getpid()} {os.environ.get('PYTEST_XDIST_WORKER')} {number} {shared}\\n")
    time.sleep(0.01)
    assert number != 7, "seven"

def test_printing():
    print("said ä")
    print("complained", file=sys.stderr)
    os.write(1, b"written")
    assert input is None

def test_warning():
    warnings.warn("mind the gap", OwnWarning)
    warnings.warn("old", DeprecationWarning)

@pytest.mark.skip(reason="not today")
def test_skipped():
    pass

@pytest.mark.xfail(strict=True, reason="known")
def test_known():
    assert False

@pytest.mark.xfail(strict=True)
def test_better_than_known():
    pass

def test_setup(begins_badly):
    pass
"""


def variables(folder: Path) -> dict[str, str]:
    """With folders for temporary files and notes of its own."""
    (folder / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(REPOSITORY), "RUN": str(folder / "run"), "TMPDIR": str(folder / "tmp")}
    unset = ("OMP_NUM_THREADS", "PYTEST_XDIST_WORKER")
    return {**{name: os.environ[name] for name in os.environ if name not in unset}, **own}


def run(folder: Path, *words: str, tests: str = TESTS) -> tuple[int, str, dict[str, str]]:
    """Run tests in a folder; return the code, what is printed, and what each test came to."""
    (folder / "test_some.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    ended = subprocess.run(
        [*PYTEST, f"--junitxml={report}", "-rA", *words],
        cwd=folder,
        env=variables(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        told = [[each.tag, each.get("message"), each.text] for each in case]
        name = case.get("name") or ""
        results[name] = re.sub(r"pytest-\d+/|gw\d+/|0x\w+", "", str(sorted(map(str, told))))
    return ended.returncode, ended.stdout + ended.stderr, results


def test_the_results_are_those_of_one_process(tmp_path) -> None:
    outcomes = []
    for words in ((), ("--forks", "3")):
        (tmp_path / "run").unlink(missing_ok=True)
        code, printed, results = run(tmp_path, *words)
        counts = re.findall(r"\d+ (?:failed|passed|skipped|xfailed|warnings?|errors?)\b", printed)
        warned = sorted(re.findall(r"\w+Warning: [a-z].*", printed))
        outcomes.append((code, counts, warned, results))
        lines = [line.split(" ", 3) for line in (tmp_path / "run").read_text().splitlines()]
        assert sorted(int(number) for _, _, number, _ in lines) == list(range(20))
        processes = {(process, name) for process, name, _, _ in lines}
        # On a busy machine one may have done all before another has begun.
        assert {name for _, name in processes} <= ({"gw0", "gw1", "gw2"} if words else {"None"})
        places = {(process, folder) for process, _, _, folder in lines}
        assert len(places) == len(processes), "a fixture of a module is made once in a process"
        assert len({folder for _, folder in places}) == len(processes)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == pytest.ExitCode.TESTS_FAILED
    assert len(outcomes[0][3]) == 26


BAD_END = """
import pytest

@pytest.fixture(scope="session")
def ends_badly():
    yield
    raise RuntimeError("at the end of all")

@pytest.mark.parametrize("number", range(4))
def test_end(number, ends_badly):
    pass
"""


def test_what_fails_at_the_end_of_all_is_told(tmp_path) -> None:
    code, _, results = run(tmp_path, "--forks", "2", tests=BAD_END)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert 1 <= sum("at the end of all" in told for told in results.values()) <= 2


DEADLY = """
import os, pytest, signal, threading

@pytest.mark.parametrize("number", range(12))
def test_many(number):
    if number in (0, 5):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 11:
        os._exit(0)
"""


def test_a_process_that_dies_fails_its_test_and_no_other(tmp_path) -> None:
    code, printed, results = run(tmp_path, "--forks", "2", tests=DEADLY)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "3 failed, 9 passed" in printed
    failed = {name: told for name, told in results.items() if told != "[]"}
    assert set(failed) == {"test_many[0]", "test_many[5]", "test_many[11]"}
    assert "by signal 9" in failed["test_many[0]"]
    assert "with code 0" in failed["test_many[11]"]


def test_a_process_that_dies_after_its_tests_is_told_too(tmp_path) -> None:
    tests = "import atexit, os\n\ndef test_one():\n    atexit.register(os._exit, 5)\n"
    code, _, results = run(tmp_path, "--forks", "2", tests=tests)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "with code 5" in results["the end of gw0"]


FAILING = """
import pytest, time

@pytest.mark.parametrize("number", range(50))
def test(number):
    time.sleep(0.02)
    assert 0
"""


@pytest.mark.parametrize("words", [("-x",), ("--maxfail", "2")])
def test_no_more_tests_are_begun_after_so_many_failures(tmp_path, words) -> None:
    code, printed, results = run(tmp_path, "--forks", "2", *words, tests=FAILING)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert len(results) == int(words[-1] if words[1:] else 1)
    assert "stopping after" in printed


WITH_TORCH = """
import os
import torch

LARGE = torch.arange(1 << 20)

def test_large():
    assert torch.equal(LARGE + 1, torch.arange(1, (1 << 20) + 1))
    assert torch.get_num_threads() == len(os.sched_getaffinity(0))
    assert "OMP_NUM_THREADS" not in os.environ
"""


def test_torch_computes_in_threads_after_it_has_computed_where_tests_are_collected(tmp_path) -> None:
    pytest.importorskip("torch")
    _, printed, results = run(tmp_path, "--forks", "1", tests=WITH_TORCH)
    assert results == {"test_large": "[]"}, printed


THREADED = """
import threading, time

threading.Thread(target=time.sleep, args=(1,), name="early").start()

def test():
    pass
"""


def test_threads_are_refused(tmp_path) -> None:
    (tmp_path / "test_some.py").write_text(THREADED)
    ended = subprocess.run(
        [*PYTEST, "--forks", "2"],
        cwd=tmp_path,
        env=variables(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "early" in ended.stdout + ended.stderr
