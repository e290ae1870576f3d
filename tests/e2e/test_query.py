"""`hermpkg query`, asked of workspaces: what it prints, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

LIBRARY = """
python_modules(
    name = "modules",
    srcs = glob(["*.py"]),
    visibility = ["//visibility:public"],
)
"""


@pytest.fixture
def two(workspace: Any) -> Any:
    """Two packages, of which one uses the other, a namespace package of the environment, and a macro."""
    workspace.build_file(
        """
        load("//tools:macros.bzl", "packed")

        python_modules(name = "modules", srcs = glob(["*.py"]), deps = ["//lib:modules"])

        model(name = "net", factory = "app.net:make", deps = [":modules"])

        packed(name = "app")
        """
    )
    workspace.write("tools/BUILD", "")
    workspace.write(
        "tools/macros.bzl",
        """
        load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package")

        def packed(name):
            model_package(
                name = name,
                models = {"model/model.pkl": ":net"},
                modules = ["lib.tools"],
                resources = {"words.txt": "words.txt"},
                policy = [intern("**"), deny("wandb.**")],
            )
        """,
    )
    workspace.build_file(LIBRARY, "lib/BUILD")
    workspace.write(
        "app/net.py", "import json\nfrom lib.tools import double\n\n\ndef make():\n    return double(1)\n"
    )
    workspace.write("app/words.txt", "one\n")
    workspace.write(
        "lib/tools.py", "try:\n    import lib.fast as fast\nexcept ImportError:\n    fast = None\n"
    )
    workspace.write("lib/fast.py", "")
    return workspace


def lines(outcome: Any) -> list[str]:
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout.splitlines()


def test_targets_and_files(two: Any) -> None:
    assert lines(two.run("query", "deps(//app:app)")) == [
        "//app:app",
        "//app:modules",
        "//app:net",
        "//app:net.py",
        "//app:words.txt",
        "//lib:fast.py",
        "//lib:modules",
        "//lib:tools.py",
    ]
    # The words of one expression need no quotes of the shell where they have no meaning for it.
    assert lines(two.run("query", "//app:*", "-", "//app:all", "--output=label_kind")) == [
        "source file //app:BUILD",
        "source file //app:net.py",
        "source file //app:words.txt",
    ]
    assert lines(two.run("query", "buildfiles(//app:app)")) == [
        "//app:BUILD",
        "//tools:BUILD",
        "//tools:macros.bzl",
    ]


def test_declarations_read_as_build_files_do(two: Any) -> None:
    assert two.run("query", "//app:app", "--output", "build").stdout == (
        "# app/BUILD:9:1\n"
        "model_package(\n"
        '    name = "app",\n'
        '    models = {"model/model.pkl": "//app:net"},\n'
        '    modules = ["lib.tools"],\n'
        "    policy = [\n"
        '        intern("**"),\n'
        '        deny("wandb.**"),\n'
        "    ],\n"
        '    resources = {"words.txt": "//app:words.txt"},\n'
        '    visibility = ["//visibility:private"],\n'
        ")\n\n"
    )


def test_relative_patterns_count_from_the_folder(two: Any) -> None:
    assert lines(two.run("query", "--modules", "somepath(:net, ...:*)", cwd="app")) == ["//app:net"]
    assert lines(two.run("query", "net.py + ../lib:all", cwd="app")) == ["//app:net.py", "//lib:modules"]


def test_modules_and_their_imports(two: Any) -> None:
    query = "allpaths(//app:net, //lib:fast.py) - //app:modules - //lib:modules"
    assert lines(two.run("query", "--modules", query, "--output=edges")) == [
        "//app:net -> //app:net.py  app/BUILD:7:1",
        "//app:net.py -> //lib:tools.py  app/net.py:2:1",
        "//lib:tools.py -> //lib:fast.py  lib/tools.py:2:5",
    ]
    value = two.run("--json", "query", "--modules", "deps(//app:net.py)").json
    kinds = {(edge["source"], edge["target"]): edge["kind"] for edge in value["edges"]}
    assert kinds["//lib:tools.py", "//lib:fast.py"] == "optional import"
    assert kinds["//app:net.py", "@python//json:__init__.py"] == "import"
    (found,) = [target for target in value["targets"] if target["label"] == "@python//json:__init__.py"]
    assert found["kind"] == "source module"
    assert Path(found["location"]["path"]).is_file()
    assert lines(two.run("query", "--modules", "rdeps(//..., @python//json:all, 1)")) == [
        "//app:net.py",
        "@python//json:__init__.py",
    ]


def test_it_runs_no_code_of_the_workspace(two: Any) -> None:
    two.write("app/net.py", "import os\nos.mkdir('ran')\nraise SystemExit\n")
    two.write("sitecustomize.py", "import os\nos.mkdir('ran')\n")
    assert "//app:net.py" in lines(two.run("query", "--modules", "deps(//app:net)"))
    assert not list(two.root.rglob("ran"))


def test_errors_are_told_with_their_places(two: Any) -> None:
    outcome = two.run("query", "deps(//app:app) + //nope:x")
    assert (outcome.code, outcome.stdout) == (7, "")
    assert "no such package: //nope" in outcome.stderr
    assert "\n    deps(//app:app) + //nope:x\n                      ^^^^^^^^\n" in outcome.stderr
    two.build_file('python_modules(name = "modules", srcs = ["a.py", "a.py"])\n', "lib/BUILD")
    outcome = two.run("query", "deps(//app:app)")
    assert (outcome.code, outcome.stdout) == (7, "")
    assert "lib/BUILD:2:" in outcome.stderr
    outcome = two.run("query", "-k", "deps(//app:app) - //app:app")
    assert outcome.code == 3
    assert outcome.stdout.splitlines() == ["//app:modules", "//app:net", "//app:net.py", "//app:words.txt"]
    assert "lib/BUILD:2:" in outcome.stderr


def test_a_file_that_no_build_file_names_is_told_with_what_names_it(two: Any) -> None:
    two.write("lib/data.txt", "")
    outcome = two.run("query", "//lib:data.txt")
    assert outcome.code == 7
    assert '-> add to lib/BUILD: exports_files(["data.txt"])' in outcome.stderr


def test_modules_of_the_environment_are_known_with_modules_alone(two: Any) -> None:
    outcome = two.run("query", "@python//json:all")
    assert outcome.code == 7
    assert "-> add --modules" in outcome.stderr
    outcome = two.run("query", "--modules", "@python//jsn:__init__.py")
    assert outcome.code == 7
    assert "did you mean '@python//json:__init__.py'?" in outcome.stderr


def test_a_module_that_does_not_parse_is_told(two: Any) -> None:
    two.write("lib/tools.py", "import json\nimport (\n")
    outcome = two.run("query", "--modules", "deps(//app:net.py)")
    assert outcome.code == 7
    assert "lib/tools.py:2:1: the imports of //lib:tools.py cannot be read" in outcome.stderr
    assert two.run("query", "--modules", "deps(//app:net.py)", "-k").code == 3
    assert two.run("query", "deps(//app:net.py)").code == 0


def test_expressions_come_from_files_too(two: Any) -> None:
    two.write("all.query", "let x = //app:all in\n  $x - //app:net\n")
    assert lines(two.run("query", "--query_file=all.query")) == ["//app:app", "//app:modules"]
    outcome = two.run("query", "--query-file", "all.query", "//app")
    assert outcome.code == 2
    assert two.run("query", "--query-file", "none").code == 2


def test_an_empty_answer_is_told_on_standard_error(two: Any) -> None:
    outcome = two.run("query", "//app:all ^ //lib:all")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "empty" in outcome.stderr
    assert two.run("-q", "query", "set()").stderr == ""


def test_json_is_the_same_by_either_option(two: Any) -> None:
    by_output = two.run("query", "deps(//app:net)", "--output=json")
    by_flag = two.run("query", "deps(//app:net)", "--json")
    assert json.loads(by_output.stdout) == json.loads(by_flag.stdout)
    assert by_flag.json["errors"] == []
