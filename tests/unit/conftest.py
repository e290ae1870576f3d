"""Folders that a store has to live with: an awkward name, no right to write, no space."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def cache_directory(tmp_path: Path) -> str:
    """A folder that does not exist yet, in a path with a space and letters beyond ASCII."""
    return str(tmp_path / "my caché" / "größe")


@pytest.fixture
def tick(tmp_path: Path):
    """Waits until the clock of the file system has moved, so that what changes next has another time."""
    probe = tmp_path / ".tick"

    def wait() -> None:
        probe.write_bytes(b"")
        before = probe.stat().st_ctime_ns
        while probe.stat().st_ctime_ns == before:
            time.sleep(0.001)
            probe.write_bytes(b"")

    return wait


@pytest.fixture
def small_disk() -> Iterator[str]:
    """A file system of one mebibyte."""
    folder = tempfile.mkdtemp(prefix="small disk ")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "hermpkg-test", folder]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        os.rmdir(folder)
        pytest.skip("mounting a small file system takes rights that this user does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)


@pytest.fixture
def read_only():
    """Makes a folder's file system read-only by mounting it over itself."""
    if not shutil.which("mount"):
        pytest.skip("there is no mount command")
    mounted: list[str] = []

    def protect(folder: str) -> None:
        if subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True).returncode:
            pytest.skip("mounting read-only takes rights that this user does not have")
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)

    yield protect
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def plain_user(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty folder of a user whom file modes stop, and that user for the length of the test."""
    # Once the user has changed, the interpreter's own files may be out of reach.
    import logging
    import sqlite3
    import weakref  # noqa: F401

    logging.getLogger("hermpkg_build.store")
    sqlite3.connect(":memory:").close()
    folder = tempfile.mkdtemp(prefix="plain user ")
    monkeypatch.setattr(tempfile, "tempdir", None)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        yield folder
        os.seteuid(0)
    else:
        yield folder
    for parent, names, _ in os.walk(folder):
        for name in names:
            os.chmod(os.path.join(parent, name), 0o700)
    shutil.rmtree(folder)


@pytest.fixture
def give_away():
    """Gives a file or folder to another user; returns its status."""
    if os.geteuid() != 0:
        pytest.skip("giving files away takes rights that this user does not have")

    def give(path: Path) -> os.stat_result:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        return os.lstat(path)

    return give
