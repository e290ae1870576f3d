"""Killed builds, builds at the same time, caches that are damaged, full or read-only."""

import os
import signal
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


def test_two_builds_at_once(app):
    running = [app.start("--json", "//app") for _ in range(4)]
    outcomes = [(process.communicate(timeout=60), process.returncode) for process in running]
    assert [code for _, code in outcomes] == [0, 0, 0, 0], outcomes
    artifact = app.root / "hermpkg-out/app/app.pt"
    with zipfile.ZipFile(artifact) as archive:
        assert archive.testzip() is None
    assert app.build("//app").target["sha256"] in outcomes[0][0][0]


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
