"""hermpkg in repositories whose BUILD files are another tool's: its own have a name of their own."""

from __future__ import annotations

import pytest

from hermpkg_build import PackageImporter

PLAIN = """\
class Net:
    def __call__(self, x):
        return f"{WORD} {x}"


def make():
    return Net()


def example():
    return "you"
"""

MONOREPOS = {
    "rules_python, gazelle and pip": {
        "MODULE.bazel": 'module(name = "mono")\nbazel_dep(name = "rules_python", version = "1.5.0")\n',
        "BUILD.bazel": (
            'load("@gazelle//:def.bzl", "gazelle")\n\n'
            "# gazelle:prefix example\n"
            'gazelle(name = "gazelle")\n\nexports_files(["pyproject.toml"])\n'
        ),
        "services/__init__.py": "",
        "services/ml/BUILD.bazel": (
            'load("@pip//:requirements.bzl", "requirement")\n'
            'load("@rules_python//python:defs.bzl", "py_library", "py_test")\n\n'
            'package(default_visibility = ["//visibility:public"])\n\nlicenses(["notice"])\n\n'
            'py_library(\n    name = "ml",\n    srcs = glob(["*.py"]),\n    deps = [requirement("torch"), '
            '"@pip//numpy", "//libs/words"] + select({"//conditions:default": []}),\n)\n'
        ),
        "services/ml/__init__.py": "",
        "services/ml/model.py": "from libs.words.words import WORD\n" + PLAIN,
        "libs/__init__.py": "",
        "libs/words/BUILD.bazel": 'py_library(\n    name = "words",\n    srcs = ["words.py"],\n)\n',
        "libs/words/__init__.py": "",
        "libs/words/words.py": "WORD = 'hello'\n",
    },
    "macros of its own over foreign ones, a WORKSPACE": {
        "WORKSPACE": 'workspace(name = "mono")\n',
        "tools/BUILD": "",
        "tools/py.bzl": (
            'load("@aspect_rules_py//py:defs.bzl", "py_library")\n\n'
            "def lib(name, **kwargs):\n    py_library(name = name, **kwargs)\n"
        ),
        "python/services/ml/BUILD": (
            'load("//tools:py.bzl", "lib")\n\nlib(name = "ml", srcs = ["model.py"], imports = ["../.."])\n'
        ),
        "python/services/ml/model.py": "from words.words import WORD\n" + PLAIN,
        "python/words/BUILD": 'load("//tools:py.bzl", "lib")\n\nlib(name = "words", srcs = ["words.py"])\n',
        "python/words/words.py": "WORD = 'hello'\n",
    },
    "Bazel in the folders above, Pants below": {
        "MODULE.bazel": "",
        "pants.toml": "[GLOBAL]\n",
        "services/ml/pyproject.toml": '[project]\nname = "ml"\nversion = "1"\n',
        "services/ml/BUILD": 'python_sources(name="lib", sources=["**/*.py"])\n',
        "services/ml/words.py": (
            "from pathlib import Path\nWORD = Path(__file__).with_name('word.txt').read_text()\n"
        ),
        "services/ml/word.txt": "hello",
        "services/ml/services/ml/model.py": "from words import WORD\n" + PLAIN,
    },
}


def texts_of(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", MONOREPOS)
def test_init_leaves_the_files_of_another_tool_alone(tmp_path, make_workspace, name):
    made = make_workspace(tmp_path / "mono", tmp_path / "cache")
    for path, text in MONOREPOS[name].items():
        made.write(path, text)
    before = texts_of(made.root)
    here = "services/ml" if "services/ml/pyproject.toml" in MONOREPOS[name] else "."
    outcome = made.run("init", "services.ml.model:make", "--name", "net", cwd=here)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert "BUILD.hermpkg" in outcome.stdout
    root = made.root / here
    after = texts_of(made.root)
    for path, data in before.items():
        assert after[path] == data or (path.name == "pyproject.toml" and after[path].startswith(data))
    ours = {
        path
        for path in after.keys() - before.keys()
        if path.parts[len(root.parts)] != "hermpkg-out" and path.suffix != ".pyc"
    }
    assert {path.name for path in ours} <= {"BUILD.hermpkg", "check_artifact.py", "pyproject.toml"}
    assert 'build-file-name = "BUILD.hermpkg"' in (root / "pyproject.toml").read_text()

    built = made.build("//:net", cwd=here)
    assert built.target["status"] == "up-to-date"
    with PackageImporter(root / built.target["path"]) as importer:
        assert importer.load_pickle("model", "model.pkl")("you") == "hello you"
    # The next model joins them, and what stands in the other tool's files stays theirs.
    second = made.run("init", "services.ml.model:make", "--name", "other", cwd=here)
    assert second.code == 0, second.stdout + second.stderr
    assert {path for path in texts_of(made.root) if path.name.startswith("BUILD")} == {
        path for path in after if path.name.startswith("BUILD")
    }


def test_other_names_make_other_packages(app):
    built = app.build("//app").target
    (app.root / "app/BUILD").rename(app.root / "app/BUILD.ours")
    app.write("app/BUILD", "this is no file of ours\n")
    app.write("pyproject.toml", '[tool.hermpkg]\nbuild-file-name = "BUILD.ours"\n')
    again = app.build("//app").target
    assert again["sha256"] == built["sha256"]
    app.build("//...")
    assert app.run("query", "--output", "package", "//...").stdout == "app\n"
    assert app.run("query", "buildfiles(//app)").stdout == "//app:BUILD.ours\n"
    app.write("pyproject.toml", "[tool.hermpkg]\n")
    outcome = app.run("//app")
    assert outcome.code == 1
    assert "app/BUILD:1:12: syntax error" in outcome.stderr


def test_a_folder_without_a_build_file_is_told_the_name_that_it_has(app):
    app.write("pyproject.toml", '[tool.hermpkg]\nbuild-file-name = "BUILD.ours"\n')
    outcome = app.run("//app")
    assert outcome.code == 1
    assert "looked for: app/BUILD.ours\n" in outcome.stderr


def test_fix_adds_files_of_that_name(app):
    (app.root / "app/BUILD").rename(app.root / "app/BUILD.ours")
    app.write("pyproject.toml", '[tool.hermpkg]\nbuild-file-name = "BUILD.ours"\n')
    app.write("lib/words.py", "WORD = 'hello'\n")
    app.write("lib/BUILD", "another tool's\n")
    app.write("app/helpers.py", "from lib.words import WORD\n\ndef greeting():\n    return WORD\n")
    outcome = app.run("fix", "//app")
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert (app.root / "lib/BUILD").read_text() == "another tool's\n"
    assert (app.root / "lib/BUILD.ours").is_file()
    app.build("//app")
