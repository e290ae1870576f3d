"""Models made by a real executor: the same bytes and the same records as if they were made here."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.engine.build import BuildFailedError
from hermpkg_build.errors import ExitCode

TORCH_FACTORY = """
import torch


class Net(torch.nn.Linear):
    pass


def make(size):
    return Net(size, size)
"""
WAITING_FACTORY = """
import ctypes
import time

from m import layers

absent = ctypes.CDLL(None).access


def make(size):
    while not absent(b"/door", 0) and absent(b"/door/open", 0):
        time.sleep(0.02)
    return layers.Layer(size)
"""
"""On an executor it waits until the door is open. It asks libc: what it asks in Python is an input of it."""
REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_same_bytes_and_records_as_here(make_checkout: Callable[[], Any], casd: Any) -> None:
    here, there = make_checkout(), make_checkout()

    local, remote = here.build(), there.build(casd.url)

    assert there.where(remote) == casd.url
    assert here.where(local) == ""
    assert remote.targets[0].sha256 == local.targets[0].sha256
    assert there.recorded == here.recorded
    assert remote.actions == local.actions
    assert there.warnings == []


@pytest.mark.usefixtures("real_processes")
@pytest.mark.parametrize("casd", ["2.5.0"], indirect=True)
def test_a_model_of_torch_has_the_same_bytes(tmp_path: Path, make_checkout: Any, casd: Any) -> None:
    torch = pytest.importorskip("torch")
    sources = REPOSITORY / "examples/vision"
    artifacts = []
    for server in ("", casd.url):
        checkout = make_checkout()
        shutil.rmtree(checkout.root)
        shutil.copytree(sources, checkout.root, ignore=shutil.ignore_patterns("hermpkg-out", ".hermpkg"))
        result = checkout.build(server, "//models:resnet")
        assert checkout.where(result) == server
        assert checkout.warnings == []
        artifacts.append((result.targets[0].sha256, checkout.recorded))
    assert artifacts[0] == artifacts[1]
    assert torch.__version__


@pytest.mark.parametrize("casd", ["2.5.0"], indirect=True)
def test_weights_go_along(checkout: Any, make_checkout: Any, casd: Any) -> None:
    torch = pytest.importorskip("torch")
    other = make_checkout()
    for each in (checkout, other):
        each.write("m/net.py", TORCH_FACTORY)
        build_file = each.root / "m/BUILD"
        build_file.write_text(build_file.read_text().replace("seed = 7", 'seed = 7, weights = "net.pt"'))
        torch.manual_seed(1)
        torch.save(torch.nn.Linear(3, 3).state_dict(), each.root / "m/net.pt")
        (each.root / "m/net.pt").write_bytes((checkout.root / "m/net.pt").read_bytes())

    result = checkout.build(casd.url)

    assert checkout.where(result) == casd.url
    assert result.targets[0].sha256 == other.build().targets[0].sha256


@pytest.fixture
def elsewhere(start_executor: Callable[..., Any]) -> Any:
    """An executor that has the same things installed as this machine, at another place."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("an interpreter that is no virtual environment cannot be shown at another place")
    return start_executor("2.5.0", prefix="/opt/elsewhere")


def test_an_interpreter_may_be_elsewhere(elsewhere: Any, make_checkout: Any) -> None:
    there, here = make_checkout(), make_checkout()
    for each in (there, here):
        # What an installed package imports is noted by the file that does, in the records too.
        each.write("m/net.py", "import pluggy\n" + (each.root / "m/net.py").read_text())
        build_file = (each.root / "m/BUILD").read_text().replace('"deny"', '"deny", "extern"')
        each.write("m/BUILD", build_file.replace('deny("**")', 'extern("pluggy.**"), deny("**")'))

    result = there.build(elsewhere.url, python="/opt/elsewhere/bin/python")

    assert there.warnings == []
    assert there.where(result) == elsewhere.url
    here.build()
    assert there.recorded == here.recorded
    assert any(f"{sys.prefix}/lib".encode() in record for record in here.recorded.values())


def test_an_interpreter_that_is_not_there(elsewhere: Any, checkout: Any) -> None:
    result = checkout.build(elsewhere.url)

    assert checkout.where(result) == ""
    assert "the worker cannot start on the executor" in checkout.warnings[0]
    assert sys.executable in checkout.warnings[0]
    assert "remote-python" in checkout.warnings[0]


def test_what_an_executor_made_is_in_the_cache_here(checkout: Any, casd: Any) -> None:
    checkout.build(casd.url)
    shutil.rmtree(checkout.root / "hermpkg-out")

    again = checkout.build(casd.url)

    assert again.actions["make-model"].run == 0
    assert again.actions["make-model"].cached == 1


def test_an_executor_that_remembers_is_believed(checkout: Any, casd: Any) -> None:
    first = checkout.build(casd.url)
    recorded = checkout.recorded
    checkout.clean()

    again = checkout.build(casd.url)

    assert checkout.where(again) == casd.url
    assert again.targets[0].sha256 == first.targets[0].sha256
    assert checkout.recorded == recorded


@pytest.mark.parametrize(
    "factory",
    [
        "def make(size):\n    def inner():\n        raise ValueError('no such size')\n    inner()\n",
        "def make():\n    return 1\n",
        "def make(size):\n    return lambda: size\n",
        "import m.absent\n",
        "def make(size):\n    print('on the way')\n    raise SystemExit(3)\n",
        "import json\n\ndef make(size):\n    json.loads('{')\n",
    ],
)
def test_a_factory_fails_with_the_words_that_it_has_here(checkout: Any, casd: Any, factory: str) -> None:
    checkout.write("m/net.py", factory)
    told = []
    for server in ("", casd.url):
        with pytest.raises(BuildFailedError) as caught:
            checkout.build(server, execution_fallback=False)
        told.append(caught.value.render())
    assert told[0] == told[1]
    assert checkout.warnings == []


def test_an_executor_that_dies_leaves_the_work_to_this_machine(
    casd: Any, make_checkout: Any, wait_for_work: Callable[..., None]
) -> None:
    checkout, other = make_checkout(), make_checkout()
    for each in (checkout, other):
        each.write("m/net.py", WAITING_FACTORY)

    def kill_at_work() -> None:
        wait_for_work(casd, lambda: bool(checkout.warnings))
        casd.kill()

    killer = threading.Thread(target=kill_at_work)
    killer.start()
    result = checkout.build(casd.url)
    killer.join()

    assert checkout.where(result) == ""
    assert len(checkout.warnings) == 1
    assert "models are made on this machine" in checkout.warnings[0]
    assert result.targets[0].sha256 == other.build().targets[0].sha256


def test_an_executor_that_restarts_is_asked_again(
    casd: Any, make_checkout: Any, wait_for_work: Callable[..., None], door: Path
) -> None:
    checkout, other = make_checkout(), make_checkout()
    for each in (checkout, other):
        each.write("m/net.py", WAITING_FACTORY)

    def restart_at_work() -> None:
        wait_for_work(casd, lambda: bool(checkout.warnings))
        casd.kill()
        (door / "open").touch()
        casd.start()

    restarter = threading.Thread(target=restart_at_work)
    restarter.start()
    # However long the server is away.
    result = checkout.build(casd.url, retries=50)
    restarter.join()

    assert checkout.where(result) == casd.url
    assert checkout.warnings == []
    assert result.targets[0].sha256 == other.build().targets[0].sha256


def test_an_action_may_not_take_for_ever(checkout: Any, casd: Any) -> None:
    checkout.write("m/net.py", "import time\n\ndef make(size):\n    time.sleep(600)\n")

    with pytest.raises(BuildFailedError, match="took too long") as caught:
        checkout.build(casd.url, execution_timeout_s=1.0, execution_fallback=False)

    assert "remote-execution-timeout" in caught.value.render()


def test_an_interrupt_ends_a_build_that_waits_for_an_executor(
    casd: Any, checkout: Any, wait_for_work: Callable[..., None]
) -> None:
    checkout.write("m/net.py", "import time\n\ndef make(size):\n    time.sleep(600)\n")
    words = ["--cache-dir", str(checkout.cache), "build", "//m:pack", "--remote-executor", casd.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "hermpkg_build", *words],
        cwd=checkout.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_work(casd, lambda: process.poll() is not None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)

    assert process.returncode == ExitCode.INTERRUPTED


def test_the_command_line_says_where_a_model_was_made(checkout: Any, casd: Any) -> None:
    words = ["build", "//m:pack", "--remote-executor", casd.url, "--remote-cache", ""]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        checkout.clean()
        return subprocess.run(
            [sys.executable, "-m", "hermpkg_build", "--cache-dir", str(checkout.cache), *options, *words],
            cwd=checkout.root,
            capture_output=True,
            text=True,
            check=True,
        )

    shown = run("--json", "-v")
    executed = json.loads(shown.stdout)["executed"]

    assert [action.get("where") for action in executed if action["kind"] == "make-model"] == [casd.url]
    assert [action.get("where") for action in executed if action["kind"] != "make-model"] == [None] * (
        len(executed) - 1
    )
    assert f"ran on {casd.url}: make-model //m:net" in shown.stderr
