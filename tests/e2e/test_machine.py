"""The scripts that install what tests need: they ask nobody anything, and say in one line what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
UNAVAILABLE = 69


def run(script: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh")
    assert shell
    return subprocess.run(
        [shell, str(script), *words], env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "my tests"
    folder.mkdir()
    for name in ("machine.sh", "debian.sh"):
        shutil.copy(TESTS / name, folder)
    return folder


def test_every_folder_installs_its_own(scripts: Path) -> None:
    for name, text in {
        "one": "touch done",
        "three": "cd ../three; touch done",
        "two": "echo noise; echo 'no such package' >&2; exit 1",
    }.items():
        (scripts / name).mkdir()
        (scripts / name / "install.sh").write_text(f'cd "$(dirname "$0")"\n{text}\n')
    ran = run(scripts / "machine.sh")
    assert ran.returncode == UNAVAILABLE
    assert ran.stderr == "tests/two will skip tests: no such package\n"
    assert (scripts / "one/done").exists()
    assert (scripts / "three/done").exists()


def test_nothing_to_do_is_a_success(scripts: Path) -> None:
    assert run(scripts / "machine.sh").returncode == 0
    there = run(scripts / "debian.sh", "sh=dash", "ls=coreutils")
    assert (there.returncode, there.stdout, there.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ({}, "there is no apt-get on this machine"),
        ({"apt-get": "exit 1", "id": "echo 1000"}, "only root can install packages on this machine"),
        (
            {"apt-get": "exit 1", "id": "echo 1000", "sudo": "exit 1"},
            "only root can install packages on this machine",
        ),
        ({"apt-get": "echo noise; exit 1", "id": "echo 0"}, "apt-get failed"),
    ],
)
def test_a_machine_that_refuses_is_told_of(
    scripts: Path, tmp_path: Path, commands: dict[str, str], reason: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "env").symlink_to(str(shutil.which("env")))
    for name, text in commands.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    ran = run(scripts / "debian.sh", "absent-1=package-1", "absent-2=package-2", path=str(programs))
    assert ran.returncode == UNAVAILABLE
    assert ran.stderr.splitlines()[-1] == f"{reason}: install package-1 package-2"
    assert ran.stdout == ""


def test_what_is_missing_is_installed_through_sudo(scripts: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "log"
    (programs / "env").symlink_to(str(shutil.which("env")))
    for name, text in {
        "id": "echo 1000",
        "sudo": f'echo "sudo $*" >> "{log}"; shift; exec "$@"',
        "apt-get": f'echo "$*" >> "{log}"',
        "true": "exit 0",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    assert run(scripts / "debian.sh", "env=coreutils", "absent=package", path=str(programs)).returncode == 0
    said = log.read_text()
    assert said.startswith("sudo -n true\nsudo -n env DEBIAN_FRONTEND=noninteractive apt-get ")
    assert said.splitlines()[-1].endswith("install -y --no-install-recommends package")
