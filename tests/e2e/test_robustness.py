"""Killed builds, builds at the same time, caches that are damaged, full or read-only."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest


def cached_files(app):
    return [path for path in app.cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("delay", [0.03, 0.08, 0.15, 0.25, 0.4])
def test_a_killed_build_leaves_everything_whole(app, make_workspace, delay):
    for number in range(40):
        app.write(f"app/m{number}.py", f"from app import m{(number + 1) % 40}\n" * 20)
    app.write("app/main.py", "import app.m0\n")
    process = app.start("//app")
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    artifact = app.root / "hermpkg-out/app/app.pt"
    if artifact.exists():
        with zipfile.ZipFile(artifact) as archive:
            assert archive.testzip() is None
    after = app.build("//app").target
    clean = make_workspace(app.root, app.cache.parent / "empty cache")
    artifact.unlink()
    assert clean.build("//app").target["sha256"] == after["sha256"]


ENDLESS = """
import os, subprocess

def make():
    child = subprocess.Popen(["sleep", "1000"])
    with open({pids!r} + ".part", "w") as file:
        file.write(f"{{os.getpid()}} {{child.pid}}")
    os.rename({pids!r} + ".part", {pids!r})
    while True:
        pass
"""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_endless(app, pids, *words):
    """A build whose factory never ends, and the processes that it started."""
    app.write("app/factory.py", ENDLESS.format(pids=str(pids)))
    app.build_file(
        """
        python_modules(name = "modules", srcs = ["factory.py"])
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        """
    )
    process = app.start("//app:thing", *words)
    while not pids.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process, [int(pid) for pid in pids.read_text().split()]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes through /proc")
@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_build_leaves_no_process_and_no_file(app, tmp_path, stop, jobs):
    process, started = start_endless(app, tmp_path / "pids", "--jobs", jobs)
    process.send_signal(stop)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 8
    assert "interrupted" in error
    assert [pid for pid in started if is_running(pid)] == []
    assert list(app.cache.glob("*/tmp/*")) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes through /proc")
def test_a_factory_and_what_it_started_do_not_outlive_a_killed_build(app, tmp_path):
    process, started = start_endless(app, tmp_path / "pids")
    process.kill()
    process.communicate()
    end = time.monotonic() + 120
    while any(is_running(pid) for pid in started) and time.monotonic() < end:
        time.sleep(0.01)
    left = [pid for pid in started if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_a_cache_that_is_taken_away_from_a_running_factory(app):
    app.write(
        "app/factory.py",
        "import os, shutil\n\ndef make():\n    shutil.rmtree(os.path.dirname(os.getcwd()))\n    return 1\n",
    )
    app.build_file(
        """
        python_modules(name = "modules", srcs = ["factory.py"])
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        """
    )
    outcome = app.run("//app:thing")
    assert outcome.code == 36
    assert "taken away" in outcome.stderr
    assert str(app.cache) in outcome.stderr


def test_two_builds_at_once(app):
    running = [app.start("--json", "//app") for _ in range(4)]
    outcomes = [(process.communicate(timeout=300), process.returncode) for process in running]
    assert [code for _, code in outcomes] == [0, 0, 0, 0], outcomes
    artifact = app.root / "hermpkg-out/app/app.pt"
    with zipfile.ZipFile(artifact) as archive:
        assert archive.testzip() is None
    assert app.build("//app").target["sha256"] in outcomes[0][0][0]


_ANOTHER_BUILD = """
import os, sys
from hermpkg_build.cli.main import main
from {module} import {owner}

before, file, path = getattr({owner}, "{name}"), sys.argv.pop(), sys.argv.pop()

def after_another(*arguments, **options):
    if os.path.exists(file):
        os.replace(file, path)
    return before(*arguments, **options)

{owner}.{name} = after_another
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("module", "owner", "name"),
    [
        ("hermpkg_build.engine.notes", "NoteBook", "keep_artifact"),
        ("hermpkg_build.engine", "changed_part", "_observed"),
    ],
)
def test_a_build_does_not_vouch_for_what_another_puts_in_its_place(app, tmp_path, module, owner, name):
    artifact, file = app.root / "hermpkg-out/app/app.pt", tmp_path / "of another build.pt"
    app.build("//app")
    shutil.copy(artifact, file)
    app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + "MORE = 1\n")
    code = _ANOTHER_BUILD.format(module=module, owner=owner, name=name)
    words = [sys.executable, "-c", code, "--json", "//app", str(artifact), str(file)]
    run = subprocess.run(
        words, cwd=app.root, env=app.environment(), capture_output=True, text=True, check=True
    )
    built = json.loads(run.stdout)["targets"][0]["sha256"]
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() != built
    assert app.build("//app").target["sha256"] == built
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() == built


def test_edits_of_comments_that_are_built_at_once_and_killed(app, make_workspace):
    app.build("//app")
    artifact = app.root / "hermpkg-out/app/app.pt"
    for delay in (0.02, 0.05, 0.1):
        app.write("app/helpers.py", (app.root / "app/helpers.py").read_text() + f"# {delay}\n")
        process = app.start("//app")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with zipfile.ZipFile(artifact) as archive:
            assert archive.testzip() is None
    running = [app.start("//app") for _ in range(3)]
    outcomes = [(*process.communicate(timeout=300), process.returncode) for process in running]
    assert [code for _, _, code in outcomes] == [0, 0, 0], outcomes
    after = artifact.read_bytes()
    assert sorted(path.name for path in artifact.parent.iterdir()) == ["app.pt"]
    artifact.unlink()
    make_workspace(app.root, app.cache.parent / "empty cache").build("//app")
    assert artifact.read_bytes() == after


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_cache_is_a_miss(app, damage):
    first = app.build("//app").target
    for path in cached_files(app):
        path.chmod(0o644)
        if damage is None:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        else:
            path.write_bytes(damage)
    (app.root / "hermpkg-out/app/app.pt").unlink()
    outcome = app.build("//app")
    assert outcome.target["sha256"] == first["sha256"]
    assert "Traceback" not in outcome.stderr


def test_bits_that_a_disk_flips_in_the_cache_reach_no_artifact(app):
    """A disk does not change times, so that nothing but the bytes themselves can tell."""
    pytest.importorskip("torch")
    app.write(
        "app/net.py",
        """
        import torch

        def make():
            return {"small": torch.arange(500.0), "large": torch.arange(200_000.0)}
        """,
    )
    (app.root / "app/large.bin").write_bytes(bytes(range(256)) * 5000)
    app.build_file(
        """
        python_modules(name = "modules", srcs = ["net.py"])
        model(name = "net", factory = "app.net:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":net"},
            resources = {"m/words.txt": "words.txt", "m/large.bin": "large.bin"},
            policy = [extern("**")],
        )
        """
    )
    first = app.build("//app:app").target
    app.write("app/words.txt", "three\n")
    for path in app.cache.glob("*/cas/*/*"):
        status = path.stat()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 16
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(0o444)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    outcome = app.build("//app:app")
    assert outcome.ran("make-model") == 1
    assert "made again where it is damaged" in outcome.stderr
    assert outcome.target["sha256"] != first["sha256"]
    app.write("app/words.txt", "one\ntwo\n")
    assert app.build("//app:app").target["sha256"] == first["sha256"]


def test_a_cache_that_is_deleted_between_builds(app):
    first = app.build("//app").target
    assert app.run("clean", "--cache").code == 0
    assert app.build("//app").target["sha256"] == first["sha256"]


def test_a_cache_folder_that_is_a_file(app):
    app.cache.write_text("not a folder")
    outcome = app.run("//app")
    assert outcome.code == 36
    assert str(app.cache) in outcome.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_cache_is_read_and_warned_of(app):
    app.cache.mkdir()
    app.cache.chmod(0o555)
    outcome = app.run("//app")
    assert outcome.code == 0
    assert "warning" in outcome.stderr
    app.cache.chmod(0o755)
    assert "warning" not in app.build("//app").stderr, "of a cache that can be written again"
