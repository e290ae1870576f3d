"""What continuous integration runs: the steps of the action and the hooks, as plain shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def action(repository):
    """The action's definition."""
    return yaml.safe_load((repository / "action.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hooks(repository):
    """The hooks, by name."""
    text = (repository / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    return {hook["id"]: hook for hook in yaml.safe_load(text)}


def shell(workspace, command, **env: str):
    """Run some bash where `hermpkg` is the one under test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", command],
        cwd=workspace.root,
        env=workspace.environment(PATH=path, **env),
        capture_output=True,
        text=True,
        check=False,
    )


def verify_step(action, workspace, **inputs: str):
    """Run the action's last step with its inputs' defaults, or others."""
    step = action["runs"]["steps"][-1]
    given = {name: spec["default"] for name, spec in action["inputs"].items()}
    given.update({name.replace("_", "-"): value for name, value in inputs.items()})
    env = {
        name: given[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in step["env"].items()
    }
    summary = workspace.root.parent / "summary.md"
    return shell(workspace, step["run"], GITHUB_STEP_SUMMARY=str(summary), **env), summary


def test_no_input_reaches_a_shell_as_code(action):
    """Inputs come through the environment: pasted into a script they could be anything."""
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_locked_and_reproducible(action, app):
    assert app.run("lock").code == 0
    completed, summary = verify_step(action, app)
    assert completed.returncode == 0, completed.stderr
    assert "### hermpkg verify: 3 passed" in summary.read_text()
    suite = ElementTree.parse(app.root / "hermpkg-verify.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")


def test_not_as_locked(action, app):
    app.run("lock")
    app.write("app/words.txt", "other\n")
    completed, summary = verify_step(action, app, rebuild="false")
    assert completed.returncode == 3
    assert "record app/words.txt: changed" in summary.read_text()
    suite = ElementTree.parse(app.root / "hermpkg-verify.xml").getroot()[0]
    assert suite.get("failures") == "1"


def test_targets_without_a_lock(action, app):
    completed, _ = verify_step(action, app, locked="false", targets="//app:all -//app:modules", vary="umask")
    assert completed.returncode == 0, completed.stderr
    assert "//app:app  verified  2 rebuilds" in completed.stdout


def test_a_target_cannot_be_an_option(action, app):
    completed, _ = verify_step(action, app, locked="false", rebuild="false", targets="--version")
    assert completed.returncode == 1


@pytest.mark.parametrize("name", ["hermpkg-locked", "hermpkg-rebuild"])
def test_hooks(hooks, app, name):
    app.run("lock")
    assert hooks[name]["pass_filenames"] is False
    assert shlex.split(hooks[name]["entry"])[0] == "hermpkg"
    assert shell(app, hooks[name]["entry"]).returncode == 0
    app.write("app/helpers.py", 'def greeting():\n    return "hi"\n')
    assert shell(app, hooks[name]["entry"]).returncode == 3


def test_hooks_run_for_what_can_change_an_artifact(hooks):
    import re

    pattern = re.compile(hooks["hermpkg-locked"]["files"])
    for path in (
        "app/main.py",
        "app/BUILD",
        "app/BUILD.bazel",
        "rules/x.bzl",
        "hermpkg.lock",
        "pyproject.toml",
    ):
        assert pattern.search(path), path
    assert not pattern.search("README.md")
