"""Commands that are given an artifact which is not there say with which path to call them again."""

import shlex
import shutil
from pathlib import Path

import pytest

ARTIFACT = "hermpkg-out/app/app.pt"


@pytest.fixture
def built(app):
    app.build("//app")
    return app


def told(outcome):
    """The command lines that an error proposes."""
    assert outcome.code == 1, outcome.stderr
    assert "error: there is no such file" in outcome.stderr
    return [line.strip() for line in outcome.stderr.splitlines() if line.strip().startswith("hermpkg ")]


@pytest.mark.parametrize(
    "words",
    [
        "inspect {}",
        "scan {}",
        "why {} app.main",
        "diff {} //app",
        "tensors {}",
        "look {}",
        "verify {}",
        "run {}",
        "trust {}",
        "sbom {}",
        "push {} oci://localhost:9/app:1",
        "serve {}",
        "attest {}",
    ],
)
def test_every_command_finds_an_output_by_its_name(built, words):
    outcome = built.run(*words.format("app.pt").split())
    assert told(outcome) == [f"hermpkg {words.format(ARTIFACT)}"]


@pytest.mark.parametrize(
    ("cwd", "word", "command", "path"),
    [
        (".", "app/app.pt", "inspect", ARTIFACT),
        (".", "/nowhere/app.pt", "inspect", ARTIFACT),
        ("app", ARTIFACT, "inspect", f"../{ARTIFACT}"),
        ("app", "app.pt", "inspect", f"../{ARTIFACT}"),
        ("hermpkg-out/app", "app", "trust", "app.pt"),
        (".", "apq.pt", "inspect", ARTIFACT),
        (".", "//app", "trust", ARTIFACT),
        ("app", ":app", "trust", f"../{ARTIFACT}"),
    ],
)
def test_ways_to_miss_it(built, cwd, word, command, path):
    assert told(built.run(command, word, cwd=cwd)) == [f"hermpkg {command} {path}"]


def test_the_proposed_command_runs(built):
    (line,) = told(built.run("inspect", "app.pt"))
    assert built.run(*shlex.split(line)[1:]).code == 0


def test_outputs_of_one_name_are_all_told(built):
    shutil.copytree(built.root / "hermpkg-out/app", built.root / "hermpkg-out/other")
    assert told(built.run("inspect", "app.pt")) == [
        f"hermpkg inspect {ARTIFACT}",
        "hermpkg inspect hermpkg-out/other/app.pt",
    ]
    assert told(built.run("inspect", "other/app.pt")) == ["hermpkg inspect hermpkg-out/other/app.pt"]


def test_a_target_whose_artifact_has_a_name_of_its_own(app):
    build = (app.root / "app/BUILD").read_text()
    app.write("app/BUILD", build.replace('name = "app",', 'name = "app",\n    out = "best.pt",', 1))
    app.build("//app")
    assert told(app.run("trust", "//app")) == ["hermpkg trust hermpkg-out/app/best.pt"]


@pytest.mark.parametrize("words", ["inspect app", "build app", "why app app.main"])
def test_a_name_alone_is_that_of_what_was_built_in_another_folder(built, words):
    built.write("other/BUILD", "")
    outcome = built.run(*words.split(), cwd="other")
    assert outcome.code == 1
    assert "-> did you mean '//app:app'?" in outcome.stderr


def test_what_is_not_built_yet_is_to_be_built(app):
    assert told(app.run("trust", "//app")) == ["hermpkg //app"]
    assert told(app.run("inspect", "app.pt")) == []


def test_without_a_workspace_the_folder_is_looked_into(built, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(built.root / ARTIFACT, folder / "resnet.pt")
    assert told(built.run("inspect", "resnte.pt", cwd=folder)) == ["hermpkg inspect resnet.pt"]
    assert told(built.run("inspect", "b.pt", cwd=folder)) == []
    assert told(built.run("trust", "//app", cwd=folder)) == []
