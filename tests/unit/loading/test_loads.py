"""load() of the workspace's own .bzl files."""

# The tables read best with one case a line.
# ruff: noqa: E501

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


@pytest.mark.parametrize(
    ("statement", "place", "summary", "step"),
    [
        ('load("//tools:m.bzl", "macr")', "1:23", "//tools:m.bzl has no symbol 'macr'", "did you mean 'macro'?"),
        ('load("//tools:m.bzl", "zzz")', "1:23", "//tools:m.bzl has no symbol 'zzz'", "it has: VALUE, macro"),
        ('load("//tools:m.bzl", "number")', "1:23", "//tools:m.bzl has no symbol 'number'",
         "it has: VALUE, macro"),
        ('load("//tools:m.bzl", a = "_hidden")', "1:27", "'_hidden' is private to its file and cannot be loaded", ""),
        ('load("//tools:n.bzl", "macro")', "1:6", "no such file: tools/n.bzl", "did you mean ':num.bzl'?"),
        ('load("//tool:m.bzl", "macro")', "1:6", "no such package: //tool", "did you mean '//tools:m.bzl'?"),
        ('load("m.bzl", "macro")', "1:6", "'m.bzl' is not the label of a .bzl file",
         "write ':m.bzl' or '//pkg:m.bzl'"),
        ('load("//tools:BUILD", "macro")', "1:6", "'//tools:BUILD' is not a .bzl file", "load() takes .bzl files only"),
        ('load("//tools:sub/k.bzl", "K")', "1:6", "'//tools:sub/k.bzl' reaches into the package //tools/sub",
         "write '//tools/sub:k.bzl'"),
        ('load("@hermpkg//rules:def.bzl", "model")', "1:6", "'@hermpkg//rules:def.bzl' is in another repository",
         "did you mean '@hermpkg//rules:defs.bzl'?"),
        ('load("@rules_python//python:defs.bzl", "py_library")', "1:6",
         "'@rules_python//python:defs.bzl' is in another repository",
         ("hermpkg itself has the rules of @hermpkg//rules:defs.bzl alone: let Bazel build this, which takes them too,"
          " or let hermpkg have BUILD files of its own beside those of Bazel, in pyproject.toml:\n"
          '    [tool.hermpkg]\n    build-file-name = "BUILD.hermpkg"')),
        ('load("@hermpkg//rules:defs.bzl", "modle")', "1:34", "@hermpkg//rules:defs.bzl has no symbol 'modle'",
         "did you mean 'model'?"),
        ('load("//tools:m.bzl")', "1:1", "load() names no symbol", 'write load("//pkg:file.bzl", "symbol")'),
        ('load("//tools:" + "m.bzl", "macro")', "1:1", "load() takes string literals only",
         'write load("//pkg:file.bzl", "symbol")'),
        ("load()", "1:1", "load() takes string literals only", 'write load("//pkg:file.bzl", "symbol")'),
        ('load("//:x:y", "macro")', "1:6", "'//:x:y' is not a label", ""),
        ('x = load("//tools:m.bzl", "macro")', "1:5", "load() inside another statement",
         "write it as a statement of its own"),
        ('load("//tools:m.bzl", "macro", "macro")', "1:32", "cannot reassign the global 'macro'",
         "it is defined at p/BUILD:1:23: use another name"),
    ],
)  # fmt: skip
def test_wrong_loads(files: WorkspaceFiles, statement: str, place: str, summary: str, step: str) -> None:
    files.write("tools/BUILD")
    files.write("tools/num.bzl", "number = 1\n")
    files.write(
        "tools/m.bzl", 'load(":num.bzl", "number")\nVALUE = number\n_hidden = 1\ndef macro():\n    pass\n'
    )
    files.write("tools/sub/BUILD")
    files.write("tools/sub/k.bzl", "K = 1\n")
    files.write("p/BUILD", statement + "\n")
    (error,) = files.errors(lambda: files.file("p"))
    assert (str(error.location), error.summary, error.next_step) == (f"p/BUILD:{place}", summary, step)


def test_a_cycle_of_loads(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", 'load(":a.bzl", "a")\n')
    files.write("p/a.bzl", 'load(":b.bzl", "b")\na = 1\n')
    files.write("p/b.bzl", 'load("//p:a.bzl", "a")\nb = 1\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert str(error.location) == "p/b.bzl:1:1"
    assert error.summary == "a cycle of load statements: p/a.bzl loads p/b.bzl loads p/a.bzl"


def test_a_file_that_loads_itself(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", 'load(":a.bzl", "a")\n')
    files.write("p/a.bzl", 'load(":a.bzl", b = "a")\na = 1\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "a cycle of load statements: p/a.bzl loads p/a.bzl"


def test_errors_of_several_files_come_together(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", 'load(":a.bzl", "a")\nx = nope\n')
    files.write("p/a.bzl", 'load(":b.bzl", "b")\nimport os\na = 1\n')
    files.write("p/b.bzl", "b = = 1\n")
    assert files.build_errors("p") == [
        "p/BUILD:2:5: name 'nope' is not defined",
        "p/a.bzl:2:1: Starlark has no import statements; use load()",
        "p/b.bzl:1:5: syntax error: invalid syntax",
    ]


def test_a_long_chain_of_loads(files: WorkspaceFiles) -> None:
    length = 1_200
    for i in range(length):
        files.write(f"p/f{i}.bzl", f'load(":f{i + 1}.bzl", x = "n")\nn = x + 1\n')
    files.write(f"p/f{length}.bzl", "n = 0\n")
    files.write("p/BUILD", 'load(":f0.bzl", "n")\nprint(n)\n')
    files.file("p")
    assert [text for _, text in files.messages] == [str(length)]


def test_a_bzl_file_is_evaluated_once(files: WorkspaceFiles) -> None:
    files.write("tools/BUILD")
    files.write("tools/m.bzl", 'print("evaluated")\nx = [1]\n')
    for package in ("p", "q"):
        files.write(f"{package}/BUILD", 'load("//tools:m.bzl", "x")\n')
    loader = files.loader()
    loader.build_file("p")
    loader.build_file("q")
    assert len(files.messages) == 1


def test_what_a_bzl_file_made_cannot_be_changed(files: WorkspaceFiles) -> None:
    files.write("p/m.bzl", "x = [1]\n")
    files.write("p/BUILD", 'load(":m.bzl", "x")\nx.append(2)\n')
    assert files.build_errors("p") == ["p/BUILD:2:1: Immutable"]
