"""The READMEs of the examples can be followed to the letter, in a copy of the example elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.followed_pages import follow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
OTHERWISE = {
    "bazel": "tests/bazel/test_examples.py",
    "notebook": "tests/e2e/test_notebook.py",
    "setuptools": "tests/e2e/test_setuptools.py",
}
"""The examples that are not used by hermpkg's command, and the tests that run them."""
LONG = {"digits", "graph", "irreproducible", "matching", "vision"}
"""What takes longer, or what other tests build as well."""
MADE = shutil.ignore_patterns("hermpkg-out", "__pycache__", "build", "dist", "bazel-*", "*.egg-info")


def copy_of(name: str, make_workspace: Callable[..., Any], folder: Path) -> Any:
    root = folder / "a copy ü"
    shutil.copytree(EXAMPLES / name, root, ignore=MADE)
    return make_workspace(root, folder / "cache")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.thorough if name in LONG else ())
        for name in NAMES
        if name not in OTHERWISE
    ],
)
def test_its_page_can_be_followed(name: str, make_workspace: Callable[..., Any], tmp_path: Path) -> None:
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    for library in re.findall(r"networkx|kornia|torch(?=\])", text):
        pytest.importorskip(library)
    workspace = copy_of(name, make_workspace, tmp_path)
    assert follow(EXAMPLES / name / "README.md", workspace) >= 1


def test_every_example_is_listed_says_what_it_needs_and_is_run() -> None:
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert folders == NAMES
    listed = re.findall(r"^\| \[(\w+)\]\(\1/README\.md\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == NAMES
    for name in NAMES:
        assert "\nNeeds: " in (EXAMPLES / name / "README.md").read_text(encoding="utf-8"), name
    for name, tests in OTHERWISE.items():
        text = (EXAMPLES.parent / tests).read_text(encoding="utf-8")
        assert name in text, f"{tests} does not run {name}"
        assert "examples" in text.lower()


def test_the_lock_among_the_examples_is_that_of_its_sources(
    make_workspace: Callable[..., Any], tmp_path: Path
) -> None:
    workspace = copy_of("ci", make_workspace, tmp_path)
    kept = json.loads((workspace.root / "hermpkg.lock").read_text(encoding="utf-8"))
    outcome = workspace.run("lock")
    assert outcome.code == 0, outcome.stderr
    made = json.loads((workspace.root / "hermpkg.lock").read_text(encoding="utf-8"))
    # The whole artifact changes with each version of hermpkg, which it names; its records do not.
    assert kept["targets"]["//app:app"]["records"] == made["targets"]["//app:app"]["records"], (
        "run hermpkg lock"
    )
