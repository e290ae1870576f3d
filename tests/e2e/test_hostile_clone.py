"""What of a stranger's checkout runs, by every command: what the page about it says, and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.commands import command_names

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/explanation/what-runs.md").read_text()
SAID = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))

# Names that Python, its libraries or tools look for by themselves, or that commands import.
MODULES = (
    *(
        "sitecustomize",
        "usercustomize",
        "conftest",
        "setup",
        "ast",
        "json",
        "pickle",
        "typing",
        "torch",
        "numpy",
    ),
    *("starlark", "tomli", "packaging", "rules", "rich", "google", "grpc", "cyclonedx", "bokeh"),
    "model_signing",
)
HOOKS = ("post-checkout", "fsmonitor-watchman", "pre-commit")

# What each command is asked that need run nothing; {0} is an artifact that was built elsewhere.
READING = {
    "allow": [["allow", "--show"], ["allow", "--deny"]],
    "cache": [["cache"]],
    "clean": [["clean"]],
    "completion": [["completion", "bash"]],
    "diff": [["diff", "{0}", "{0}"]],
    "help": [["help"], ["help", "build"]],
    "info": [["info"]],
    "inspect": [["inspect", "{0}"], ["inspect", "--tensors", "{0}"]],
    "look": [["look", "{0}", "--no-open", "--output", "{1}/page.html"]],
    "query": [["query", "deps(//...)"], ["query", "--modules", "deps(//...)"]],
    "sbom": [["sbom", "{0}"]],
    "scan": [["scan", "{0}"]],
    "tensors": [["tensors", "{0}"]],
    "trust": [["trust", "{0}"]],
    "verify": [["verify", "{0}"]],
    "version": [["version"]],
    "why": [["why", "{0}", "app.main"]],
}


def tripwire(name: str) -> str:
    """Python that leaves a trace when it runs."""
    return f"import os\nopen(os.path.join(os.environ['TRIPS'], {name!r}), 'w').close()\n"


@pytest.fixture(scope="module")
def given(make_workspace: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of `app`, for all tests to read."""
    folder = tmp_path_factory.mktemp("given")
    made = make_workspace(folder / "w", folder / "cache").write_app()
    return made.root / made.build("//app").target["path"]


@pytest.fixture
def clone(workspace: Any, given: Path, tmp_path: Path) -> Any:
    """A checkout full of what leaves a trace in the folder ``trips`` if it runs; an artifact lies beside."""
    workspace.write_app()
    shutil.copy(given, tmp_path / "given.pt")
    (tmp_path / "trips").mkdir()
    for name in MODULES:
        workspace.write(f"{name}.py", tripwire(name))
    for path in ("app/main.py", "app/__init__.py"):
        file = workspace.root / path
        file.write_text(tripwire(path.replace("/", "_")) + (file.read_text() if file.exists() else ""))
    script = '#!/bin/sh\ntouch "$TRIPS/{0}"\n'
    for path in (
        ".venv/bin/python", "bin/git", "helper", *(f".git/hooks/{name}" for name in HOOKS),
    ):  # fmt: skip
        workspace.write(path, script.format(path.replace("/", "_"))).chmod(0o755)
    git = (
        "[core]\n\tfsmonitor = ./helper\n\tpager = ./helper\n\teditor = ./helper\n\thooksPath = .git/hooks\n"
    )
    workspace.write(".git/config", git)
    workspace.write(".git/HEAD", "ref: refs/heads/main\n")
    workspace.write("evil.pth", "import sitecustomize\n")
    workspace.write("evil.egg-info/entry_points.txt", "[hermpkg]\nevil = conftest\n")
    workspace.write(".env", "PYTHONSTARTUP=conftest.py\n")
    workspace.write(
        "pyproject.toml",
        '[tool.hermpkg]\nremote-cache = "http://127.0.0.1:9"\ncredential-helper = "./helper"\n'
        '[tool.pytest.ini_options]\naddopts = "-p conftest"\n',
    )
    return workspace


def test_the_page_has_every_command():
    assert set(SAID) == set(command_names())
    assert {name for name, text in SAID.items() if text == "nothing" or text.startswith("of ")} - set(
        READING
    ) <= {"sign", "attest", "push", "pull"}  # These need a key or a registry: their own tests have them.


@pytest.mark.parametrize("name", sorted(READING))
def test_reading_runs_nothing(clone, tmp_path, name):
    for words in READING[name]:
        environment = {"TRIPS": str(tmp_path / "trips"), "PAGER": "", "BROWSER": ""}
        outcome = clone.run(
            *(word.format(tmp_path / "given.pt", tmp_path) for word in words), env=environment
        )
        assert "Traceback" not in outcome.stderr
        assert outcome.code in (0, 2, 3), outcome.stderr
        assert os.listdir(tmp_path / "trips") == []


def test_a_tripwire_is_seen(clone, tmp_path):
    environment = clone.environment(TRIPS=str(tmp_path / "trips"))
    subprocess.run([sys.executable, "-c", "import app.main"], cwd=clone.root, env=environment, check=True)
    assert {"app___init__.py", "app_main.py"} <= set(os.listdir(tmp_path / "trips"))


def test_building_without_models_runs_nothing(clone, tmp_path):
    outcome = clone.run("//app", "--remote-cache=", env={"TRIPS": str(tmp_path / "trips")})
    assert outcome.code == 0, outcome.stderr
    assert os.listdir(tmp_path / "trips") == []


def test_the_script_is_not_misled_by_a_folder_with_its_name(clone, tmp_path):
    clone.write("hermpkg_build/__init__.py", tripwire("hermpkg_build"))
    clone.write("hermpkg_build/__main__.py", tripwire("hermpkg_build"))
    script = shutil.which("hermpkg", path=os.path.dirname(sys.executable))
    if script is None:
        pytest.skip("the command is not installed beside this interpreter")
    environment = clone.environment(TRIPS=str(tmp_path / "trips"))
    outcome = subprocess.run(
        [script, "info"], cwd=clone.root, env=environment, check=False, capture_output=True, text=True
    )
    assert outcome.returncode in (0, 2), outcome.stderr
    assert os.listdir(tmp_path / "trips") == []
