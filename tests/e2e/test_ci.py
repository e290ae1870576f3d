"""What continuous integration runs: the steps of the action and the hooks, as plain shell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import hermpkg_build

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
    summary, outputs = workspace.root.parent / "summary.md", workspace.root.parent / "outputs"
    outputs.write_text("")
    env = {**step_environment(action, step, inputs), "GITHUB_OUTPUT": str(outputs)}
    completed = shell(workspace, step["run"], GITHUB_STEP_SUMMARY=str(summary), **env)
    completed.outputs = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    return completed, summary


def step_environment(action, step, inputs):
    """The environment that a step has by the inputs."""
    given = {name: spec["default"] for name, spec in action["inputs"].items()}
    given.update({name.replace("_", "-"): value for name, value in inputs.items()})
    return {
        name: given[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in step["env"].items()
    }


def test_no_input_reaches_a_shell_as_code(action):
    """Inputs come through the environment: pasted into a script they could be anything."""
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_locked_and_reproducible(action, app):
    assert app.run("lock").code == 0
    completed, summary = verify_step(action, app)
    assert completed.returncode == 0, completed.stderr
    assert completed.outputs == {
        "result": "passed",
        "exit-code": "0",
        "version": hermpkg_build.__version__,
        "junit": str(app.root / "hermpkg-verify.xml"),
    }
    assert "### hermpkg verify: 3 passed" in summary.read_text()
    suite = ElementTree.parse(app.root / "hermpkg-verify.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")


def test_not_as_locked(action, app):
    app.run("lock")
    app.write("app/words.txt", "other\n")
    completed, summary = verify_step(action, app, rebuild="false")
    assert completed.returncode == 3
    assert (completed.outputs["result"], completed.outputs["exit-code"]) == ("different", "3")
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
    assert (completed.outputs["result"], completed.outputs["exit-code"]) == ("failed", "1")


def test_what_does_not_build_is_no_difference(action, app):
    app.run("lock")
    app.write("app/main.py", "import nowhere_to_be_found\n")
    completed, _ = verify_step(action, app, rebuild="false")
    assert completed.returncode == 1
    assert completed.outputs["result"] == "failed"


def test_outputs_and_inputs_are_those_of_the_step(action):
    verify = action["runs"]["steps"][-1]
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.{verify['id']}.outputs.{name} }}}}"
        assert f"{name}=" in verify["run"]
    used = {text for step in action["runs"]["steps"] for text in step["env"].values()}
    used |= {verify["working-directory"]}
    assert {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]} - used == {"${{ inputs.install }}"}
    assert set(action["branding"]) == {"icon", "color"}


def test_the_action_installs_the_checkout_that_it_lies_in(action, workspace, repository, tmp_path):
    """Which may not be written to, and is no git checkout; whole, since no release of the runtime fits it."""
    checkout = tmp_path / "an action's checkout"
    for name in ("pyproject.toml", "README.md", "LICENSE", "hermpkg_build"):
        if (repository / name).is_dir():
            shutil.copytree(repository / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            checkout.mkdir(exist_ok=True)
            shutil.copy(repository / name, checkout / name)
    before = sorted(checkout.rglob("*"))
    step = action["runs"]["steps"][0]
    settings = {"PIP_TARGET": str(tmp_path / "site"), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    env = {
        **step_environment(action, step, {"extras": "watch,speed"}),
        **settings,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    completed = shell(workspace, step["run"], GITHUB_ACTION_PATH=str(checkout), PIP_NO_COMPILE="1", **env)
    assert completed.returncode == 0, completed.stderr
    assert "does not provide the extra" not in completed.stdout + completed.stderr
    (metadata,) = (tmp_path / "site").glob("hermpkg_build-*.dist-info/METADATA")
    assert "Requires-Dist: hermpkg-runtime" not in metadata.read_text()
    assert (tmp_path / "site/hermpkg_build/runtime/importer.py").is_file()
    assert sorted(checkout.rglob("*")) == before


@pytest.fixture(scope="module")
def gitlab(repository):
    """The inputs of GitLab's template with their defaults, and its job."""
    text = (repository / ".gitlab/verify.yml").read_text(encoding="utf-8")
    header, jobs = yaml.safe_load_all(text)
    ((_, job),) = jobs.items()
    return {name: spec["default"] for name, spec in header["spec"]["inputs"].items()}, job


def gitlab_job(gitlab, workspace, **inputs):
    """Run the job's script with inputs, as a runner does: variables in the environment, all in one shell."""
    defaults, job = gitlab
    given = {**defaults, "install": "", **inputs}
    variables = {}
    for name, value in job["variables"].items():
        text = str(given[value.removeprefix("$[[ inputs.").removesuffix(" ]]")])
        variables[name] = text.lower() if text in ("True", "False") else text
    script = "set -e\n" + "\n".join(job["script"])
    return shell(workspace, script, CI_PROJECT_DIR=str(workspace.root.parent), **variables)


def test_the_job_of_gitlab(gitlab, app):
    app.run("lock")
    completed = gitlab_job(gitlab, app, rebuild=False, before="echo 'made ready'")
    assert completed.returncode == 0, completed.stderr
    assert "made ready" in completed.stdout
    suite = ElementTree.parse(app.root.parent / "hermpkg-verify.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    app.write("app/words.txt", "other\n")
    assert gitlab_job(gitlab, app, rebuild=False).returncode == 3
    assert gitlab_job(gitlab, app, before="false; true").returncode


def test_what_the_job_of_gitlab_asks_for(gitlab, workspace):
    gitlab[1]["script"].insert(0, """hermpkg() { printf '<%s>' "$@"; }""")
    workspace.write("a*", "")
    report = f"<verify><--junit><{workspace.root.parent / 'hermpkg-verify.xml'}>"
    assert gitlab_job(gitlab, workspace).stdout == f"{report}<--locked><--rebuild><--vary><all><-->"
    asked = gitlab_job(gitlab, workspace, locked=False, rebuild=False, targets="//x:* a* -//$(y)")
    assert asked.stdout == f"{report}<--><//x:*><a*><-//$(y)>"
    gitlab[1]["script"].pop(0)


def test_no_input_of_gitlab_reaches_a_shell_as_code(gitlab):
    defaults, job = gitlab
    assert not [line for line in job["script"] if "$[[" in line]
    given = {f"$[[ inputs.{name} ]]" for name in defaults}
    assert given == {*job["variables"].values(), job["stage"], job["image"], "$[[ inputs.job ]]"}


@pytest.mark.parametrize("name", ["hermpkg-locked", "hermpkg-rebuild"])
def test_hooks(hooks, app, name):
    app.run("lock")
    assert hooks[name]["pass_filenames"] is False
    assert shlex.split(hooks[name]["entry"])[0] == "hermpkg"
    assert shell(app, hooks[name]["entry"]).returncode == 0
    app.write("app/helpers.py", 'def greeting():\n    return "hi"\n')
    assert shell(app, hooks[name]["entry"]).returncode == 3


def test_hooks_run_for_whatever_can_change_an_artifact(hooks):
    """Which may be any file: the names of those that are committed say nothing."""
    for hook in hooks.values():
        assert hook["always_run"] is True
        assert not {"files", "types", "types_or", "exclude"} & hook.keys()
