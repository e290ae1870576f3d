"""Edits while a factory runs are seen also where the clocks of the file system and of this machine differ."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from hermpkg_build.engine.build import build_targets
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.loading.workspace import find_workspace

BUILD = """
load("@hermpkg//rules:defs.bzl", "model", "python_modules")
python_modules(name = "modules", srcs = ["factory.py"])
model(name = "thing", factory = "factory:make", deps = [":modules"])
"""
FACTORY = """
import os

def make():
    with open("{root}/data.txt") as file:
        found = file.read()
    if found == "one":
        other = os.fork()
        if not other:
            os.execv("/bin/sh", ["sh", "-c", "printf two > {root}/data.txt"])
        os.waitpid(other, 0)
    return found
"""
HOUR_NS = 3_600_000_000_000


class Runs(BuildObserver):
    """Counts the models that are made."""

    def __init__(self) -> None:
        self.made = 0

    def action_started(self, kind: str, subject: str) -> None:
        self.made += kind == "make-model"


@pytest.mark.parametrize("ahead_ns", [-HOUR_NS, 0, HOUR_NS])
def test_an_edit_while_the_model_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_ns: int
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n")
    (root / "BUILD").write_text(BUILD)
    (root / "factory.py").write_text(textwrap.dedent(FACTORY.format(root=root)))
    (root / "data.txt").write_text("one")
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + ahead_ns)
    counts = []
    for _ in range(3):
        observer = Runs()
        request = BuildRequest(patterns=("//:thing",), directory=str(root), keep_going=False, jobs=1)
        with open_build(find_workspace(str(root)), request, str(tmp_path / "cache"), observer) as build:
            build_targets(build)
        counts.append(observer.made)
    assert counts == [1, 1, 0]
