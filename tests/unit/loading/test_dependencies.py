"""The closure of targets: existence, kinds, visibility, cycles, modules."""

# The tables read best with one case a line.
# ruff: noqa: E501

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.label import Label
from hermpkg_build.errors import LabelError

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


def test_dependencies_come_first_and_files_are_no_targets(files: WorkspaceFiles) -> None:
    files.write("p/a.py")
    files.write("p/words.txt")
    files.write("q/b.py")
    files.build(
        "p",
        """
        package_test(name = "check", package = ":art", main = "a.py")
        model_package(name = "art", models = {"m/m.pkl": ":net"}, resources = {"w.txt": ":words.txt"})
        model(name = "net", factory = "q.b:f", deps = [":lib", "//q"])
        python_modules(name = "lib", srcs = ["a.py"], deps = ["//q"])
        """,
    )
    files.build("q", 'python_modules(name = "q", srcs = ["b.py"], visibility = ["//p:__pkg__"])\n')
    assert [str(label) for label in files.closure("//p:check")] == [
        "//q:q",
        "//p:lib",
        "//p:net",
        "//p:art",
        "//p:check",
    ]


def test_only_packages_that_are_needed_are_read(files: WorkspaceFiles) -> None:
    files.build("p", 'python_modules(name = "lib", srcs = [], deps = ["//q:lib"])\n')
    files.build(
        "q",
        'package(default_visibility = ["//visibility:public"])\npython_modules(name = "lib", srcs = [])\n',
    )
    files.write("broken/BUILD", "this = is = broken (")
    assert len(files.closure("//p:lib")) == 2


FETCH = "{0} is a submodule of git that is not fetched:\n    git submodule update --init {0}"


@pytest.mark.parametrize(
    ("pattern", "step"),
    [
        ("sub/*.py", FETCH.format("p/sub")),
        ("sub/deep/**/x.py", FETCH.format("p/sub")),
        ("subs/*.py", "correct the pattern, or pass allow_empty = True"),
    ],
)
def test_a_glob_in_a_submodule_that_is_not_fetched(files: WorkspaceFiles, pattern: str, step: str) -> None:
    files.write(".gitmodules", '[submodule "sub"]\n\tpath = p/sub\n')
    files.build("p", f'python_modules(name = "l", srcs = glob(["{pattern}"]))\n')
    (error,) = files.closure_errors("//p:l")
    assert (error.summary, error.next_step) == (f"the pattern {pattern!r} matches no file", step)


@pytest.mark.parametrize(
    ("deps", "place", "summary", "step"),
    [
        ("//q:libs", 46, "no such target: //q:libs", "did you mean '//q:lib'?"),
        ("//q:nowhere", 46, "no such target: //q:nowhere", "it declares: lib, net"),
        ("//qq:lib", 46, "no such package: //qq", "did you mean '//q:lib'?"),
        ("//q/deep:lib", 46, "no such package: //q/deep", ""),
        ("//sub/deep:lib", 46, "no such package: //sub/deep", FETCH.format("sub")),
        (
            "//q:deeper/x.py",
            46,
            "//q:deeper/x.py reaches into another package",
            "did you mean '//q/deeper:x.py'?",
        ),
        ("//q:net", 46, "deps takes python_modules, and //q:net is a model target", ""),
        (":x.txt", 46, "deps takes python_modules, and //p:x.txt is a file", ""),
        ("//q:m.py", 46, "deps takes python_modules, and //q:m.py is a module", "did you mean '//q:lib'?"),
        ("//q:lib", 46, "//q:lib is not visible from //p", 'add to the visibility of //q:lib: "//p:__pkg__"'),
    ],
)
def test_wrong_dependencies(files: WorkspaceFiles, deps: str, place: int, summary: str, step: str) -> None:
    files.build("p", f'python_modules(name = "l", srcs = [], deps = ["{deps}"])\n')
    files.write("p/x.txt")
    files.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n')
    files.build("q", 'python_modules(name = "lib", srcs = ["m.py"])\nmodel(name = "net", factory = "a:b")\n')
    files.write("q/m.py")
    files.build("q/deeper")
    files.write("q/deeper/x.py")
    files.write("q/deep/folder.txt")
    (error,) = files.closure_errors("//p:l")
    assert (str(error.location), error.summary) == (f"p/BUILD:2:{place + 1}", summary)
    assert error.next_step == (step or error.next_step)
    assert dict(error.facts)["needed by"] == "//p:l, deps"


def test_a_folder_with_a_target_of_its_name(files: WorkspaceFiles) -> None:
    files.build("", 'model_package(name = "art", deps = [":app"])\n')
    files.build("app", 'python_modules(name = "app", srcs = [])\n')
    with pytest.raises(LabelError, match="//:app is a folder, and labels name files and targets") as caught:
        files.target("//:app")
    assert caught.value.next_step == "did you mean '//app'?"


@pytest.mark.parametrize(
    ("label", "summary", "step"),
    [
        (":gone.txt", "no such target: //p:gone.txt", "did you mean '//p:gone2.txt'?"),
        ("secret.txt", "no such target: //p:secret.txt", "did you mean '//q:secret.txt'?"),
        (
            ":folder",
            "//p:folder is a folder, and labels name files and targets",
            "name the files in it, or a target",
        ),
        (":art", "resources takes a file, and //p:art is a model_package target", ""),
        (
            "//q:secret.txt",
            "//q:secret.txt is not visible from //p",
            'add to q/BUILD: exports_files(["secret.txt"])',
        ),
        ("//q:m.py", "//q:m.py is not visible from //p", 'add to the visibility of //q:lib: "//p:__pkg__"'),
        (
            "//q:limited.txt",
            "//q:limited.txt is not visible from //p",
            'add to q/BUILD: exports_files(["limited.txt"])',
        ),
        ("//q:exported_but_gone.txt", "no such target: //q:exported_but_gone.txt", "it declares: lib, open"),
    ],
)
def test_wrong_files(files: WorkspaceFiles, label: str, summary: str, step: str) -> None:
    files.build("p", f'model_package(name = "art", resources = {{"r.txt": "{label}"}})\n')
    files.write("p/gone2.txt")
    files.write("p/folder/x.txt")
    files.build(
        "q",
        """
        python_modules(name = "lib", srcs = ["m.py"])
        python_modules(name = "open", srcs = ["o.py"], visibility = ["//p:__subpackages__"])
        exports_files(["exported_but_gone.txt"])
        exports_files(["limited.txt"], visibility = ["//r:__pkg__"])
        """,
    )
    for name in ("secret.txt", "m.py", "o.py", "limited.txt"):
        files.write(f"q/{name}")
    (error,) = files.closure_errors("//p:art")
    assert (error.summary, error.next_step) == (summary, step)
    assert str(error.location) == "p/BUILD:2:51"


def test_outputs_are_no_files(files: WorkspaceFiles) -> None:
    files.build(
        "",
        """
        model_package(name = "first", out = "x.pt")
        model_package(name = "art", resources = {"x.pt": "hermpkg-out/x.pt"})
        """,
    )
    files.write("hermpkg-out/x.pt")
    (error,) = files.closure_errors("//:art")
    assert error.summary == "hermpkg-out/x.pt is an output of builds, no source"
    assert error.next_step == "did you mean '//:first'?"


@pytest.mark.parametrize("label", [":own.txt", "//q:free.txt", "//q:o.py", ":mod.py"])
def test_files_that_may_be_used(files: WorkspaceFiles, label: str) -> None:
    files.build(
        "p",
        f'model_package(name = "art", resources = {{"r": "{label}"}})\npython_modules(name = "l", srcs = ["mod.py"])\n',
    )
    files.write("p/own.txt")
    files.write("p/mod.py")
    files.build(
        "q",
        'exports_files(["free.txt"])\n'
        'python_modules(name = "open", srcs = ["o.py"], visibility = ["//visibility:public"])\n',
    )
    files.write("q/free.txt")
    files.write("q/o.py")
    assert list(files.closure("//p:art")) == [Label("p", "art")]


@pytest.mark.parametrize(
    ("visibility", "user", "visible"),
    [
        ([], "p", True),
        ([], "q", False),
        (["//visibility:public"], "q", True),
        (["//visibility:private"], "q", False),
        (["//q:__pkg__"], "q", True),
        (["//q:__pkg__"], "q/r", False),
        (["//q:__subpackages__"], "q", True),
        (["//q:__subpackages__"], "q/r", True),
        (["//q:__subpackages__"], "qq", False),
        (["//:__subpackages__"], "q", True),
        (["//:__pkg__"], "q", False),
        (["//:__pkg__"], "", True),
        ([":__subpackages__"], "p/r", True),
        (["//a:__pkg__", "//q:__pkg__"], "q", True),
    ],
)
def test_visibility(files: WorkspaceFiles, visibility: list[str], user: str, visible: bool) -> None:
    words = ", ".join(f'"{word}"' for word in visibility)
    files.build("p", f'python_modules(name = "lib", srcs = [], visibility = [{words}])\n')
    text = 'python_modules(name = "user", srcs = [], deps = ["//p:lib"])\n'
    if user == "p":
        files.build("p", f'python_modules(name = "lib", srcs = [], visibility = [{words}])\n{text}')
    else:
        files.build(user, text)
    if visible:
        assert len(files.closure(f"//{user}:user")) == 2
    else:
        (error,) = files.closure_errors(f"//{user}:user")
        assert error.summary == f"//p:lib is not visible from //{user}"


def test_a_cycle_shows_its_path(files: WorkspaceFiles) -> None:
    public = 'package(default_visibility = ["//visibility:public"])\n'
    files.build("p", public + 'python_modules(name = "a", srcs = [], deps = ["//q:b"])\n')
    files.build("q", public + 'python_modules(name = "b", srcs = [], deps = ["//r"])\n')
    files.build("r", public + 'python_modules(name = "r", srcs = [], deps = [\n    "//p:a",\n])\n')
    (error,) = files.closure_errors("//p:a")
    assert (str(error.location), error.summary) == ("r/BUILD:4:5", "a cycle of dependencies through //p:a")
    assert dict(error.facts)["cycle"].splitlines() == [
        "//p:a  (p/BUILD:3:1)",
        "//q:b  (q/BUILD:3:1)",
        "//r:r  (r/BUILD:3:1)",
        "//p:a  (p/BUILD:3:1)",
    ]


def test_a_target_that_depends_on_itself(files: WorkspaceFiles) -> None:
    files.build("p", 'python_modules(name = "a", srcs = [], deps = ["a"])\n')
    (error,) = files.closure_errors()
    assert error.summary == "a cycle of dependencies through //p:a"


def test_a_long_chain(files: WorkspaceFiles) -> None:
    length = 3_000
    lines = [f'python_modules(name = "m{i}", srcs = [], deps = [":m{i + 1}"])' for i in range(length)]
    files.build("p", "\n".join([*lines, f'python_modules(name = "m{length}", srcs = [])\n']))
    assert len(files.closure("//p:m0")) == length + 1


def test_all_errors_come_together_in_source_order(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        """
        python_modules(name = "a", srcs = ["gone.py"], deps = [":b", "//q:x"])
        python_modules(name = "b", srcs = [], deps = ["//broken:x", ":a"])
        """,
    )
    files.build("broken", "import os\n")
    errors = files.closure_errors("//p:a", "//broken:x", "//nowhere:y")
    assert [(str(error.location or ""), error.summary) for error in errors] == [
        ("", "no such package: //nowhere"),
        ("broken/BUILD:2:1", "Starlark has no import statements; use load()"),
    ]
    assert [f"{error.location}: {error.summary}" for error in files.closure_errors("//p:a")] == [
        "broken/BUILD:2:1: Starlark has no import statements; use load()",
        "p/BUILD:2:36: no such target: //p:gone.py",
        "p/BUILD:2:62: no such package: //q",
        "p/BUILD:3:61: a cycle of dependencies through //p:a",
    ]


def test_an_output_that_lies_in_another_package(files: WorkspaceFiles) -> None:
    files.build("p", 'model_package(name = "a", out = "sub/a.pt")\n')
    files.build("p/sub")
    (error,) = files.closure_errors("//p:a")
    assert (str(error.location), error.summary) == (
        "p/BUILD:2:33",
        "the output 'sub/a.pt' lies in another package, //p/sub",
    )


def test_in_a_target_of_a_macro_the_label_is_found_where_the_macro_is_called(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        'load("@hermpkg//rules:defs.bzl", "python_modules")\n'
        "def lib(name, needs):\n    python_modules(name = name, srcs = [], deps = needs)\n",
    )
    files.write("p/BUILD", 'load(":m.bzl", "lib")\nlib(\n    name = "x",\n    needs = [":gone"],\n)\n')
    (error,) = files.closure_errors()
    assert (str(error.location), error.summary) == ("p/BUILD:4:14", "no such target: //p:gone")


# Modules.


def modules(files: WorkspaceFiles, label: str) -> dict[str, str]:
    return {m.path: m.module for m in files.loader().module_targets(Label.parse(label))}


def test_modules_have_dotted_names_and_labels(files: WorkspaceFiles) -> None:
    names = ("__init__.py", "a.py", "sub/__init__.py", "sub/b.py", "ns/é.py")
    for name in names:
        files.write(f"p/{name}")
    files.build("p", 'python_modules(name = "lib", srcs = glob(["**/*.py"]))\n')
    assert modules(files, "//p:lib") == {
        "p/__init__.py": "p",
        "p/a.py": "p.a",
        "p/ns/é.py": "p.ns.é",
        "p/sub/__init__.py": "p.sub",
        "p/sub/b.py": "p.sub.b",
    }
    (first, *_) = files.loader().module_targets(Label("p", "lib"))
    assert (str(first.label), str(first.owner)) == ("//p:__init__.py", "//p:lib")


def test_the_longest_source_root_counts(files: WorkspaceFiles) -> None:
    for name in ("top.py", "src/a.py", "src/lib/b.py", "src/lib/pkg/c.py"):
        files.write(name)
    files.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = [".", "src", "src/lib"]\n')
    files.build("", 'python_modules(name = "all", srcs = glob(["**/*.py"]))\n')
    assert modules(files, "//:all") == {
        "src/a.py": "a",
        "src/lib/b.py": "b",
        "src/lib/pkg/c.py": "pkg.c",
        "top.py": "top",
    }


@pytest.mark.parametrize(
    ("name", "summary", "step"),
    [
        ("my-file.py", "my-file.py cannot be imported: 'my-file' is not an identifier", "rename"),
        ("a.b.py", "a.b.py cannot be imported: 'a.b' is not an identifier", "rename"),
        ("3d.py", "3d.py cannot be imported: '3d' is not an identifier", "rename"),
        ("class.py", "class.py cannot be imported: 'class' is a keyword of Python", "rename"),
        ("a b/c.py", "a b/c.py cannot be imported: 'a b' is not an identifier", "rename"),
        (
            "__init__.py",
            "__init__.py is the __init__.py of a source root, which no import can name",
            "leave it out",
        ),
    ],
)
def test_files_that_cannot_be_modules(files: WorkspaceFiles, name: str, summary: str, step: str) -> None:
    files.write(name)
    files.build("", f'python_modules(name = "lib", srcs = ["{name}"])\n')
    (error,) = files.closure_errors()
    assert (str(error.location), error.summary) == ("BUILD:2:38", summary)
    assert error.next_step.startswith(step)


@pytest.mark.parametrize(
    ("marker", "folder", "why"),
    [
        ("p/env/pyvenv.cfg", "p/env", "a virtual environment"),
        ("p/env/conda-meta/history", "p/env/lib/python3.11", "'python3.11' is not an identifier"),
    ],
)
def test_many_files_of_one_folder_that_cannot_be_modules(
    files: WorkspaceFiles, marker: str, folder: str, why: str
) -> None:
    """They are one mistake, and one line mends it."""
    files.write(marker)
    for name in ("a", "b/c", "b/__init__", "d-e/f"):
        files.write(f"p/env/lib/python3.11/site-packages/{name}.py")
    files.write("p/my-file.py")
    files.write("p/good.py")
    files.build("p", 'python_modules(name = "lib", srcs = glob(["**/*.py"]))\n')
    file, below = sorted(files.closure_errors(), key=lambda error: "below" in error.summary)
    assert file.summary == "p/my-file.py cannot be imported: 'my-file' is not an identifier"
    assert below.summary == f"4 files below {folder} cannot be imported: {why}"
    pattern = f"{folder.removeprefix('p/')}/**"
    assert f'glob(..., exclude = ["{pattern}"])' in below.next_step
    files.build(
        "p", f'python_modules(name = "lib", srcs = glob(["**/*.py"], exclude = ["{pattern}", "my-*"]))\n'
    )
    assert modules(files, "//p:lib") == {"p/good.py": "p.good"}


def test_a_file_under_no_source_root(files: WorkspaceFiles) -> None:
    files.write("src/a.py")
    files.write("tests/t.py")
    files.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src"]\n')
    files.build("", 'python_modules(name = "lib", srcs = ["src/a.py", "tests/t.py"])\n')
    (error,) = files.closure_errors()
    assert (str(error.location), error.summary) == ("BUILD:2:50", "tests/t.py lies under no source root")


def test_two_files_that_are_one_module(files: WorkspaceFiles) -> None:
    for name in ("p/a.py", "p/a/__init__.py"):
        files.write(name)
    files.build("p", 'python_modules(name = "lib", srcs = ["a.py", "a/__init__.py"])\n')
    (error,) = files.closure_errors()
    assert (str(error.location), error.summary) == ("p/BUILD:2:46", "two files are the module 'p.a'")
    assert dict(error.facts)["other"] == "p/a.py, of //p:lib at p/BUILD:2:1"


def test_one_module_in_two_source_roots(files: WorkspaceFiles) -> None:
    for name in ("one/m.py", "two/m.py"):
        files.write(name)
    files.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["one", "two"]\n')
    files.build("one", 'python_modules(name = "lib", srcs = ["m.py"])\n')
    files.build("two", 'python_modules(name = "lib", srcs = ["m.py"])\n')
    assert [error.summary for error in files.closure_errors()] == ["two files are the module 'm'"]
    assert len(files.closure("//one:lib")) == 1


def test_a_module_is_a_target(files: WorkspaceFiles) -> None:
    files.write("p/a.py")
    files.write("p/b.py")
    files.build("p", 'python_modules(name = "lib", srcs = ["a.py"])\n')
    target = files.target("//p:a.py")
    assert (target.rule, target.owner) == ("module", Label("p", "lib"))
    assert files.target("//p:b.py").rule == "file"
    assert [str(label) for label in files.closure("//p:a.py")] == ["//p:lib", "//p:a.py"]


def test_modules_of_another_rule(files: WorkspaceFiles) -> None:
    files.build("p", 'model(name = "m", factory = "a:b")\n')
    with pytest.raises(LabelError, match="is a model target, not a python_modules target"):
        files.loader().module_targets(Label("p", "m"))
