"""Settings come from options, variables, the workspace and the user's file, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workspace


def settings(workspace: Workspace, *words: str, **environment: str) -> dict[str, tuple[str, str]]:
    listed = workspace.run("--json", "info", *words, env=environment).json["settings"]
    return {each["name"]: (each["value"], each["origin"]) for each in listed}


@pytest.fixture
def user_file(app: Workspace) -> Path:
    path = app.cache.parent / "home" / ".config" / "hermpkg" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_each_place_wins_over_the_next(app: Workspace, user_file: Path) -> None:
    usual = settings(app)
    assert usual["jobs"][1] == usual["cache-size"][1] == "usual"
    assert usual["cache-size"][0] == "20.0 GB"
    assert usual["cache-dir"] == (str(app.cache), "HERMPKG_CACHE_DIR")
    user_file.write_text('jobs = 3\ncache-size = "1GB"\ncache-dir = "~/my cache"\ncolor = "always"\n')
    mine = str(user_file)
    of_user = settings(app, HERMPKG_CACHE_DIR="")
    home = user_file.parents[2]
    assert of_user == {
        "jobs": ("3", mine),
        "cache-size": ("1.0 GB", mine),
        "cache-dir": (str(home / "my cache"), mine),
        "warm-process": ("never", "HERMPKG_WARM_PROCESS"),
        "color": ("always", mine),
    }
    app.write("pyproject.toml", '[tool.hermpkg]\njobs = 2\ncache-size = "unlimited"\n')
    of_workspace = settings(app)
    assert of_workspace["jobs"] == ("2", str(app.root / "pyproject.toml"))
    assert of_workspace["cache-size"][0] == "unlimited"
    given = settings(app, "--jobs", "5", "--cache-dir", "/x", "--color", "never")
    assert (given["jobs"], given["cache-dir"], given["color"]) == (
        ("5", "--jobs"),
        ("/x", "--cache-dir"),
        ("never", "--color"),
    )


def test_the_users_settings_hold(app: Workspace, user_file: Path) -> None:
    user_file.write_text('cache-dir = "~/my cache"\ncolor = "always"\n')
    outcome = app.run("//app", env={"HERMPKG_CACHE_DIR": ""})
    assert "\x1b[" in outcome.stdout
    assert (user_file.parents[2] / "my cache" / "v1").is_dir()
    other = app.root / "mine.toml"
    other.write_text('color = "never"\n')
    assert "\x1b[" not in app.run("//app", env={"HERMPKG_CONFIG": str(other)}).stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("jobs = 0\n", "config.toml:1: jobs is a whole number from 1, not 0"),
        ("\njob = 4\n", "config.toml:2: there is no setting 'job' for users"),
        ('cache-dir = "here"\n', "cache-dir is an absolute path"),
        ("color = \n", "not a TOML file"),
    ],
)
def test_wrong_settings_of_users_are_told_by_builds(
    app: Workspace, user_file: Path, text: str, told: str
) -> None:
    user_file.write_text(text)
    outcome = app.run("//app")
    assert outcome.code == 2
    assert told in outcome.stderr
    assert app.run("version").code == 0


def test_a_checkout_does_not_choose_the_cache(app: Workspace) -> None:
    app.write("pyproject.toml", '[tool.hermpkg]\ncache-dir = "/x"\n')
    outcome = app.run("//app")
    assert outcome.code == 2
    assert "pyproject.toml:2: cache-dir is no setting of a workspace" in outcome.stderr
    assert "a checkout must not choose it" in outcome.stderr


def test_a_file_that_is_named_must_be_there(app: Workspace) -> None:
    outcome = app.run("//app", env={"HERMPKG_CONFIG": "/nowhere.toml"})
    assert outcome.code == 2
    assert "HERMPKG_CONFIG names no file" in outcome.stderr
