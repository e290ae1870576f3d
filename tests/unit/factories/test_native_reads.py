"""What native code and other processes open in the workspace, which Python does not see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.disk.cache_tag import TAG, TAG_NAME
from hermpkg_build.factories.native_reads import NativeReads
from hermpkg_build.store.cache import open_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is opened")


@pytest.fixture
def watched(tmp_path: Path) -> NativeReads:
    for name in ("read.bin", "module.py", "below/deep.bin", ".hidden/x.bin", "env/x.bin", "hermpkg-out/a.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "env/pyvenv.cfg").write_text("")
    return NativeReads([str(tmp_path)], str(tmp_path))


def shell(folder: Path, command: str) -> None:
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def names(watched: NativeReads, folder: Path) -> list[str]:
    return sorted(str(Path(path).relative_to(folder)) for path in watched.files())


def test_what_another_process_reads(watched: NativeReads, tmp_path: Path) -> None:
    shell(tmp_path, "cat read.bin below/deep.bin module.py .hidden/x.bin env/x.bin hermpkg-out/a.pt")
    assert names(watched, tmp_path) == ["below/deep.bin", "read.bin"]


def test_a_cache_in_the_workspace_is_no_input(tmp_path: Path) -> None:
    for place in ("my cache", "."):
        folder = tmp_path / place
        (folder / "data").mkdir(parents=True)
        open_cache(str(folder)).close()
        parts = ("v1/cas/ab", "code", "unpacked", "fetched", "environments/files")
        for part in parts:
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / "x.bin").write_text("x")
        (folder / "environments" / TAG_NAME).write_bytes(TAG)
        (folder / "data" / "y.bin").write_text("y")
        watched = NativeReads([], str(tmp_path))
        shell(folder, "cat */x.bin */*/x.bin */*/*/x.bin data/y.bin")
        assert names(watched, tmp_path) == [str(Path(place) / "data/y.bin")]


@pytest.mark.parametrize(
    ("command", "read"),
    [
        ("echo y > read.bin", []),
        ("echo y >> read.bin", []),
        ("cat read.bin; echo y > read.bin", ["read.bin"]),
        ("echo y > new.bin; cat new.bin", []),
        ("echo y > aside.bin; mv aside.bin new.bin; cat new.bin", []),
        ("cat read.bin; echo y > aside.bin; mv aside.bin read.bin", ["read.bin"]),
        ("ls below > /dev/null", []),
    ],
)
def test_what_is_written_is_no_input(
    watched: NativeReads, tmp_path: Path, command: str, read: list[str]
) -> None:
    shell(tmp_path, command)
    assert names(watched, tmp_path) == read


def test_many_files(watched: NativeReads, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number}.bin").write_text("x")
    again = NativeReads([], str(tmp_path))
    shell(tmp_path, "cat *.bin")
    assert len(names(again, tmp_path)) == 3001


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert NativeReads([str(tmp_path / "none")], str(tmp_path / "none")).files() == []
