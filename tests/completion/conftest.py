"""A workspace to complete names of, and shells in terminals that complete them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

PATIENCE_S = 60.0
_ESCAPES = re.compile(r"\x1b(\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])")

BUILD = """
load("@hermpkg//rules:defs.bzl", "intern", "model", "model_package", "package_test", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]))
model_package(name = "resnet", deps = [":modules"], policy = [intern("models.**")], modules = ["models.a"])
package_test(name = "resnet_test", package = ":resnet", main = "a.py")
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two packages, and a file; the current folder."""
    root = tmp_path / "w"
    for path, text in {
        "pyproject.toml": "[tool.hermpkg]\n",
        "models/BUILD": BUILD,
        "models/a.py": "",
        "models/vision/BUILD": "",
        "other/notes.txt": "",
        "my artifact.pt": "",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    monkeypatch.chdir(root)
    return root


class Shell:
    """An interactive shell with the completion loaded, in a terminal."""

    def __init__(self, name: str, root: Path) -> None:
        command = shutil.which(name)
        if command is None:
            pytest.skip(f"{name} is not installed")
        home = root.parent / "home"
        (home / ".config" / "fish").mkdir(parents=True)
        tools = home / "bin"
        tools.mkdir()
        (tools / "hermpkg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hermpkg_build "$@"\n')
        (tools / "hermpkg").chmod(0o755)
        self._ours, theirs = pty.openpty()
        words = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
        self.process = subprocess.Popen(
            [command, *words, "-i"],
            cwd=root,
            env={
                "HOME": str(home),
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "TERM": "xterm",
                "PS1": "ready> ",
                "LC_ALL": "C.UTF-8",
                "COLUMNS": "200",
                "LINES": "50",
            },
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - fish wants to own it
        )
        os.close(theirs)
        self._read = b""
        begin = {
            "bash": 'bind "set bell-style none"; bind "set enable-bracketed-paste off"; '
            'eval "$(hermpkg completion bash)"',
            "zsh": 'PS1="ready> "; autoload -Uz compinit; compinit -u -D; eval "$(hermpkg completion zsh)"',
            "fish": "function fish_prompt; echo 'ready> '; end; hermpkg completion fish | source",
        }[name]
        self.type(f"{begin}; echo load''ed\n")
        self.wait("loaded")

    def type(self, text: str) -> None:
        """Type a text."""
        self._read = b""
        os.write(self._ours, text.encode())

    @property
    def seen(self) -> str:
        """What is seen since something was typed, without the sequences that move the cursor and colour."""
        return _ESCAPES.sub("", self._read.decode(errors="replace"))

    def wait(self, *texts: str) -> None:
        """Wait until one of `texts` is seen since something was typed."""
        end = time.monotonic() + PATIENCE_S
        while not any(text in self.seen for text in texts) and time.monotonic() < end:
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    data = os.read(self._ours, 65536)
                except OSError:
                    break
                if b"\x1b[c" in data or b"\x1b[0c" in data:
                    os.write(self._ours, b"\x1b[?62;c")  # a question for the kind of terminal
                if b"\x1b[6n" in data:
                    os.write(self._ours, b"\x1b[1;1R")
                self._read += data  # a sequence may come in two pieces
        assert any(text in self.seen for text in texts), self.seen

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, workspace: Path):
    """Each of the shells."""
    made = Shell(request.param, workspace)
    yield made
    made.close()
