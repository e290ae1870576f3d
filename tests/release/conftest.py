"""The programs that make releases, and checkouts to release."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.release_programs import release_programs

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="module")
def program() -> Iterator[Callable[[str], ModuleType]]:
    """Imports one of the programs, by its name."""
    with release_programs() as importing:
        yield importing


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Finds a tool of `make release-check`, or skips the test."""

    def find(name: str) -> str:
        folders = [
            str(Path(sys.executable).parent),
            str(REPOSITORY / ".venv-release/bin"),
            os.environ["PATH"],
        ]
        found = shutil.which(name, path=os.pathsep.join(folders))
        if not found:
            pytest.skip(f"no {name} here: make release-check installs it")
        return found

    return find


class Checkout:
    """A git checkout with the files that name versions, and a commit of them."""

    def __init__(self, root: Path, program: Callable[[str], ModuleType]) -> None:
        self.root = root
        files = {place.file for place in program("versions").version_places(REPOSITORY)}
        for file in files | {".gitignore"}:
            self.write(file, (REPOSITORY / file).read_text())
        program("versions").set_version(root, "0.3.0")
        sections = (
            "# Changelog",
            "## [Unreleased]",
            "### Added",
            "- One.",
            "## [0.2.0] - 2020-01-01",
            "- Old.",
        )
        self.write("CHANGELOG.md", "\n\n".join(sections) + "\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "A name")
        self.git("config", "user.email", "name@host.example")
        self.commit()

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, file: str) -> str:
        return (self.root / file).read_text()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change something")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def state(self) -> tuple[str, ...]:
        """All that a release may change: files, commits, tags, work trees."""
        words = (("status", "--porcelain"), ("show-ref",), ("worktree", "list"), ("stash", "list"))
        return tuple(self.git(*each) for each in words)


@pytest.fixture
def checkout(tmp_path: Path, program: Callable[[str], ModuleType]) -> Checkout:
    return Checkout(tmp_path / "a check out", program)
