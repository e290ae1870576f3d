"""The object that each command gives with --json has the fields that the reference names, and no others."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.commands import command_names
from tests.e2e.conftest import APP_BUILD, REPOSITORY, RULES, Workspace

PAGE = REPOSITORY / "docs/reference/command-line.md"
WITHOUT = {"run", "shell", "watch"}
"""They end in a program of somebody else, or not by themselves."""


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """The fields that each command has, and those that it can have, by its row of the table."""
    rows = re.findall(r"^\| `([a-z -]+)` \| (.*) \|$", PAGE.read_text().partition("## JSON")[2], re.MULTILINE)
    found = {}
    for command, text in rows:
        words = re.split(r"; (?:with|signed|once)", text)[0]
        names = [part.split(":")[0] for part in re.split(r"[;,] (?=\*?`)", words)]
        maybe = {name for part in names for name in re.findall(r"^(?:or )?\*`(\w+)`\*", part)}
        always = {name for part in names for name in re.findall(r"^`(\w+)`", part)}
        found[command] = (always, always | maybe)
    return found


DOCUMENTED = documented()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A package with a test, one that fails, a file whose name is no UTF-8, and a model that warns."""
    folder = tmp_path_factory.mktemp("json")
    app = Workspace(folder / "workspace", folder / "cache").write_app()
    app.write("app/BUILD", RULES + APP_BUILD.replace('deny("**")', 'extern("packaging.**")'))
    app.write("app/app_test.py", "print('fine')\n")
    app.write("broken/x.py", "import nowhere\n")
    broken = 'python_modules(name = "m", srcs = ["x.py"])\n'
    broken += 'model_package(name = "broken", modules = ["broken.x"], deps = [":m"], policy = [])\n'
    app.build_file(broken, "broken/BUILD")
    build = app.root / "app/BUILD"
    build.write_text(
        build.read_text() + 'package_test(name = "app_test", package = ":app", main = "app_test.py")\n'
        'model(name = "thing", factory = "app.main:greet", deps = [":modules"])\n'
    )
    app.write("app/main.py", READING)
    app.write("app/undeclared.txt", "hello")
    Path(os.fsdecode(os.fsencode(app.root / "app") + b"/odd\xff.dat")).write_bytes(b"x")
    assert app.run("build", "//app").code == 0
    return app


READING = """
import os
import packaging.version
from app import helpers

def greet():
    with open(os.path.join(os.path.dirname(__file__), "undeclared.txt")) as file:
        return helpers.greeting() + file.read()
"""
ARTIFACT = "hermpkg-out/app/app.pt"
SUCCEED = [
    ["allow"],
    ["build", "//app:thing"],
    ["build", "//app", "--inputs"],
    ["build", "//app", "--explain", "-v"],
    ["cache"],
    ["cache", "gc", "--dry-run"],
    ["completion", "bash"],
    ["diff", ARTIFACT, "//app"],
    ["env", ARTIFACT],
    ["env", "--check", ARTIFACT],
    ["fix", "//app"],
    ["help"],
    ["info"],
    ["lock", "//app"],
    ["query", "deps(//app)"],
    ["query", "--modules", "deps(//app)"],
    ["sbom", "--licenses", ARTIFACT],
    ["scan", "//app"],
    ["tensors", ARTIFACT],
    ["test", "//app:app_test"],
    ["trust", ARTIFACT],
    ["verify", ARTIFACT],
    ["verify", "//app", "--locked"],
    ["version"],
    ["clean"],
]
FAIL = [
    ["build", "//app:nothing"],
    ["build", "//broken"],
    ["build", "-k", "//..."],
    ["diff", "//app", "//broken"],
    ["env", "pyproject.toml"],
    ["fix", "//nowhere"],
    ["inspect", os.fsdecode(b"app/odd\xff.dat")],
    ["lock", "//broken"],
    ["pull", "oci://nowhere"],
    ["push", "//broken", "oci://127.0.0.1:9/x"],
    ["query", "deps(//nowhere)"],
    ["query", "-k", "deps(//nowhere) + //app"],
    ["sbom", os.fsdecode(b"app/odd\xff.dat")],
    ["scan", "nothing.pt"],
    ["serve", "nothing.pt"],
    ["sign", "//app"],
    ["tensors", "app/words.txt"],
    ["test", "-k", "//..."],
    ["verify", "//app", "--trust", "nothing.toml"],
    ["verify", "app/words.txt"],
    ["why", "//app", "numpy"],
    ["attest", "//broken"],
    ["completion", "nosh"],
    ["init", "app.main:nothing"],
    ["pack", "app.main:nothing"],
    ["look", "nothing.pt"],
]


def row_of(words: list[str]) -> str:
    both = " ".join([words[0], *(word for word in words if word in ("gc", "--check"))])
    return both if both in DOCUMENTED else words[0]


def test_every_command_has_a_row() -> None:
    assert {name.split()[0] for name in DOCUMENTED} == {*command_names()} - WITHOUT


@pytest.mark.parametrize("words", SUCCEED, ids=" ".join)
def test_fields_are_those_of_the_reference(app: Workspace, words: list[str]) -> None:
    if row_of(words) != words[0] or words[0] in ("diff", "env", "verify", "sbom", "tensors", "trust"):
        app.build("//app")
        app.run("lock", "//app")
    outcome = app.run("--json", *words)
    assert outcome.code == 0, outcome.stderr
    fields: Any = outcome.json.keys()
    if words[:2] == ["sbom", "--licenses"]:
        assert fields == {"licenses", "refused", "unknown"}
        return
    always, at_most = DOCUMENTED[row_of(words)]
    if words[0] == "test":
        always, at_most = ({*fields, "tests"} for fields in DOCUMENTED["build"])
    assert always, words
    assert always <= fields <= at_most


@pytest.mark.parametrize("words", FAIL, ids=lambda words: " ".join(words).encode("utf-8", "replace").decode())
def test_what_fails_gives_one_object_with_the_error(app: Workspace, words: list[str]) -> None:
    outcome = app.run("--json", *words)
    assert outcome.code != 0
    assert outcome.code != 37, outcome.stderr
    value = outcome.json
    if words[0] in ("fix", "query", "verify") and "error" not in value:
        assert value.keys() == DOCUMENTED[words[0]][0]
        return
    assert value["error"]["exit_code"] == outcome.code
    assert value["error"]["summary"]
    always, at_most = DOCUMENTED["build"]
    if value.keys() != {"error"}:
        assert words[0] in ("build", "test")
        tests = {"tests"} if words[0] == "test" else set[str]()
        assert {*always, *tests} <= value.keys() <= {*at_most, *tests}
