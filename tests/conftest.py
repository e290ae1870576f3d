"""What every test can rely on: its own cache, interrupts, examples; and what none may leave behind."""

from __future__ import annotations

import compileall
import gc
import multiprocessing.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.forks.processes import InsidePopen

pytest_plugins = ["tests.forks.workers"]

# The same tree has the same verdict wherever and whenever it is tested: laws are tried with the same examples
# each time, and none fails because the machine was busy. `--hypothesis-profile=default` tries others.
settings.register_profile(
    "same", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Under nohup. This process ignores it further, but by a function, which children do not inherit: some are
    # tested to end by that signal.
    signal.signal(signal.SIGHUP, lambda *_: None)

PACKAGE = Path(__file__).resolve().parents[1] / "hermpkg_build"

_POPEN = subprocess.Popen

_PATIENCE_S = 30.0
"""How long what a test has ended may take to go: a busy machine is slow to remove files, too."""

_temporary_files = pytest.StashKey[Path]()
_makers = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once, not in each of the processes that tests start, which keep nothing."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(PACKAGE, quiet=2, workers=0)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what modules of tests are compiled to, whatever the environment says: each process reads all.

    No garbage is collected meanwhile: what is made stays.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", False)
        gc.disable()
        try:
            return (yield)
        finally:
            gc.enable()


def pytest_collection_finish() -> None:
    """Let no collection of garbage look at the tests themselves, and at what they import, again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests of a process, as users have one for all their programs."""
    folder = tmp_path_factory.mktemp("hermpkg-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HERMPKG_CACHE_DIR", str(folder))
        # A test leaves no process behind.
        patch.setenv("HERMPKG_WARM_PROCESS", "never")
        yield folder


@pytest.fixture(autouse=True, scope="session")
def forked_processes() -> Iterator[None]:
    """Processes that evaluate BUILD files, run factories or test packages are forked: that takes a tenth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", InsidePopen)
        yield


@pytest.fixture
def real_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processes are started as users have them: for tests of these processes themselves."""
    monkeypatch.setattr(subprocess, "Popen", _POPEN)


@pytest.fixture(autouse=True, scope="session")
def temporary_files_of_this_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One folder for all that tests and the programs they start make in the one for temporary files.

    So a run that is killed leaves one folder behind. One that ends must have left nothing in it but what
    hermpkg keeps from one process to the next.
    """
    # Those of tests that failed are kept, elsewhere.
    tmp_path_factory.getbasetemp()
    folder = tempfile.mkdtemp(prefix="hermpkg-tests-")
    # As open as the usual one: some tests become another user.
    os.chmod(folder, 0o1777)
    # The folder of multiprocessing in it goes first, when this process ends.
    multiprocessing.util.Finalize(
        None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=-1000
    )
    stash = request.config.stash
    stash[_temporary_files], stash[_makers] = Path(folder), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", None)
        # It is chosen once for a process: not by a test that has its temporary files where nothing stays.
        multiprocessing.util.get_temp_dir()
        yield
    end = time.monotonic() + _PATIENCE_S
    while (left := _left_in(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    told = [f"{name} (since {stash[_makers].get(name, 'the last test')})" for name in left]
    assert not left, f"temporary files that nobody removed: {', '.join(told)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Remember after which test a temporary file was there first: it is told where nobody removes it."""
    ran = yield
    stash = item.config.stash
    if _temporary_files in stash:
        for name in _left_in(stash[_temporary_files]):
            stash[_makers].setdefault(name, item.nodeid)
    return ran


def _left_in(folder: str | Path) -> list[str]:
    # multiprocessing removes its own at the very end, and so go folders that modules have: in torch 2.6,
    # torch.distributed.nn has one.
    kept = (f"hermpkg-{os.getuid()}", "torchinductor_", "pymp-")
    left = [name for name in sorted(os.listdir(folder)) if not name.startswith(kept)]
    return [name for name in left if name not in _folders_of_modules()] if left else left


def _folders_of_modules() -> set[str]:
    variables = [
        value for module in [*sys.modules.values()] for value in [*getattr(module, "__dict__", {}).values()]
    ]
    folders = [value for value in variables if type(value) is tempfile.TemporaryDirectory]
    return {os.path.basename(folder.name) for folder in folders}
