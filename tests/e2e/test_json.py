"""With --json, standard output is one object and nothing else, whatever happens."""

import hashlib
import json

import pytest


def test_the_object_of_a_build(app):
    outcome = app.run("--json", "//app")
    value = json.loads(outcome.stdout)
    (target,) = value["targets"]
    artifact = app.root / "hermpkg-out/app/app.pt"
    assert target == {
        "label": "//app:app",
        "path": "hermpkg-out/app/app.pt",
        "sha256": hashlib.sha256(artifact.read_bytes()).hexdigest(),
        "bytes": artifact.stat().st_size,
        "status": "built",
        "reasons": target["reasons"],
    }
    assert value["actions"]["assemble"] == {"run": 1, "cached": 0}
    assert value["wall_s"] >= 0
    assert {action["kind"] for action in value["executed"]} >= {"assemble"}


@pytest.mark.parametrize(
    "words",
    [
        ["//nowhere:x"],
        ["//app:ap"],
        ["build"],
        ["buidl"],
        ["--nonsense"],
        ["build", "--jobs", "x", "//app"],
        ["why", "//app", "numpy"],
        ["inspect", "missing.pt"],
        ["inspect", "pyproject.toml"],
        ["-C", "/nonexistent", "info"],
    ],
)
def test_errors_are_objects_too(app, words):
    outcome = app.run(*words, "--json")
    assert outcome.code != 0
    error = json.loads(outcome.stdout)["error"]
    assert error["exit_code"] == outcome.code
    assert error["summary"]
    assert error["summary"].splitlines()[0] in outcome.stderr


def test_an_error_has_its_place_as_fields(app):
    app.build_file('\n\nmodel_package(name = "x", colour = "red")\n')
    error = app.run("--json", "//app:x").json["error"]
    while "errors" in error:
        error = error["errors"][0]
    assert error["location"]["path"] == "app/BUILD"
    assert error["location"]["line"] == 4


@pytest.mark.parametrize(
    "words", [["version"], ["info"], ["help"], ["--help"], ["build", "--help"], ["clean"]]
)
def test_every_command_gives_an_object(app, words):
    outcome = app.run("--json", *words)
    assert outcome.code == 0, outcome.stderr
    assert isinstance(outcome.json, dict)


def test_a_test_run_gives_an_object(app):
    app.write("app/app_test.py", "print('fine')\n")
    build = app.root / "app/BUILD"
    build.write_text(
        build.read_text() + 'package_test(name = "app_test", package = ":app", main = "app_test.py")\n'
    )
    value = app.run("test", "//app:app_test", "--json").json
    (test,) = value["tests"]
    assert (test["label"], test["status"], test["failure"]) == ("//app:app_test", "passed", None)
