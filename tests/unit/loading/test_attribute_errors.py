"""What is wrong with attributes and calls: place, words, and the next step."""

# The tables read best with one case a line.
# ruff: noqa: E501, ISC004

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import WorkspaceFiles


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('model(name = "a")', ["2:1: model() needs the attribute 'factory'"]),
        ('model(factory = "a:b")', ["2:1: model() needs the attribute 'name'"]),
        ('model("a", factory = "a:b")', ["2:1: model() takes named arguments only, got 1 without a name"]),
        ('model(name = "a", factory = "a:b", color = 1)', ["2:36: model() has no attribute 'color'"]),
        ("model(name = 1, factory = 2)", ["2:14: model() attribute name: expected a string, got int",
                                          "2:27: model() attribute factory: expected a string, got int"]),
        ('model(name = "", factory = "a:b")', ["2:14: model() attribute name: '' is empty"]),
        ('model(name = "a:b", factory = "a:b")',
         ["2:14: model() attribute name: 'a:b' cannot be the name of a target: the target name has a character that it cannot have: 'a:b'"]),
        ('model(name = "a", factory = "ab")',
         ["2:29: model() attribute factory: 'ab' is not module:function, such as models.resnet:resnet18"]),
        ('model(name = "a", factory = "a b:c")',
         ["2:29: model() attribute factory: 'a b:c' is not module:function, such as models.resnet:resnet18"]),
        ('model(name = "a", factory = "a:b", seed = True)',
         ["2:43: model() attribute seed: expected an integer, got bool"]),
        ('model(name = "a", factory = "a:b", seed = 1 << 64)',
         ["2:43: model() attribute seed: 18446744073709551616 does not fit into 64 bits"]),
        ('model(name = "a", factory = "a:b", deps = ":x")',
         ["2:43: model() attribute deps: expected a list of labels, got string"]),
        ('model(name = "a", factory = "a:b", deps = [":x", 3, None, [":y"]])',
         ["2:50: model() attribute deps[1]: expected a label, got int",
          "2:53: model() attribute deps[2]: expected a label, got NoneType",
          "2:59: model() attribute deps[3]: expected a label, got list"]),
        ('model(name = "a", factory = "a:b", deps = [":x", "//p:x"])',
         ["2:50: model() attribute deps[1]: '//p:x' is there twice"]),
        ('model(name = "a", factory = "a:b", deps = ["//a//b"])',
         ["2:44: model() attribute deps[0]: '//a//b' is not a label: "
          "a segment of the package path is empty, '.' or '..': 'a//b'"]),
        ('model(name = "a", factory = "a:b", deps = ["@python//kornia:x"])',
         ["2:44: model() attribute deps[0]: '@python//kornia:x' names another repository: "
          "only this workspace has targets"]),
        ('model(name = "a", factory = "a:b", weights_key = 1)',
         ["2:50: model() attribute weights_key: expected a string, got int"]),
        ('model(name = "a", factory = "a:b", args = [1])',
         ["2:43: model() attribute args: expected a dictionary of JSON values, got list"]),
        ('model(name = "a", factory = "a:b", args = {"x": float("nan")})',
         ["2:49: model() attribute args['x']: nan is not a JSON value"]),
        ('model(name = "a", factory = "a:b", args = {"x": [float("-inf")]})',
         ["2:50: model() attribute args['x'][0]: -inf is not a JSON value"]),
        ('model(name = "a", factory = "a:b", args = {"x": {"y": len}})',
         ["2:55: model() attribute args['x']['y']: expected a JSON value, got function"]),
        ('model(name = "a", factory = "a:b", args = {"x": {1: 2}})',
         ["2:53: model() attribute args['x'][1]: expected a string as a key, got int"]),
        ('model(name = "a", factory = "a:b", args = {(1, [2]): 2})',
         ["2:45: Value of type `list` is not hashable"]),
        ('model(name = "a", factory = "a:b", args = {"a-b": 2})',
         ["2:51: model() attribute args['a-b']: 'a-b' cannot be the name of an argument"]),
        ('model(name = "a", factory = "a:b", args = {"x": range(2)})',
         ["2:49: model() attribute args['x']: expected a JSON value, got range"]),
        ('model(name = "a", factory = "a:b", args = {"x": intern("a")})',
         ['2:49: model() attribute args[\'x\']: expected a JSON value, got a policy rule']),
        ('model(name = "a", factory = "a:b", args = {"x": 1 << 5000})',
         ["2:49: model() attribute args['x']: an integer of more than 4096 bits"]),
        ('model(name = "a", factory = "a:b", tags = ["a b"])',
         ["2:44: model() attribute tags[0]: 'a b' has a blank"]),
        ('model(name = "a", factory = "a:b", visibility = ["//a/../b:__pkg__"])',
         ["2:50: model() attribute visibility[0]: '//a/../b:__pkg__' is not //visibility:public, "
          "//visibility:private, //pkg:__pkg__ or //pkg:__subpackages__"]),
        ('model(name = "a", factory = "a:b", visibility = ["public"])',
         ["2:50: model() attribute visibility[0]: 'public' is not //visibility:public, "
          "//visibility:private, //pkg:__pkg__ or //pkg:__subpackages__"]),
        ('model_package(name = "a", models = {"/m": ":m", "a/../m": ":m", "a\\\\b": ":m", ".data/x": ":m", "": ":m"})',
         ["2:43: model_package() attribute models['/m']: '/m' is an absolute path",
          "2:59: model_package() attribute models['a/../m']: 'a/../m' has the segment '..'",
          "2:73: model_package() attribute models['a\\\\b']: 'a\\\\b' has a backslash; "
          "the separator is / everywhere",
          "2:90: model_package() attribute models['.data/x']: '.data/x' is in .data, "
          "which the format keeps for itself",
          "2:100: model_package() attribute models['']: '' is empty"]),
        ('model_package(name = "a", models = {"m.pkl": ":m"}, resources = {"LICENSE": "LICENSE"})',
         ["2:46: model_package() attribute models['m.pkl']: 'm.pkl' is not a folder and a name inside the "
          "artifact, such as model/model.pkl"]),
        ('model_package(name = "a", modules = ["a-b", "a.class"])',
         ["2:38: model_package() attribute modules[0]: 'a-b' is not a dotted module name, such as models.resnet",
          "2:45: model_package() attribute modules[1]: 'a.class' is not a dotted module name, "
          "such as models.resnet"]),
        ('model_package(name = "a", sources = {"a": 3, "b..c": ""})',
         ["2:43: model_package() attribute sources['a']: expected a string, got int",
          "2:54: model_package() attribute sources['b..c']: 'b..c' is not a dotted module name, "
          "such as models.resnet"]),
        ('model_package(name = "a", requires = {1: [], 2: 3})',
         ["2:42: model_package() attribute requires[1]: expected a string, got int",
          "2:42: model_package() attribute requires[1]: expected a string, got list",
          "2:49: model_package() attribute requires[2]: expected a string, got int"]),
        ('model_package(name = "a", requires = {"torch": ">>2", "a b": ">1"})',
         ["2:48: model_package() attribute requires['torch']: '>>2' is not a PEP 440 version specifier, "
          "such as >=2.4,<3",
          "2:62: model_package() attribute requires['a b']: 'a b' is not the name of a distribution, "
          "such as torch"]),
        ('model_package(name = "a", python_version = "2.7")',
         ["2:44: model_package() attribute python_version: '2.7' is not a Python version, such as 3.11"]),
        ('model_package(name = "a", out = "../a.pt")',
         ["2:33: model_package() attribute out: '../a.pt' has the segment '..'"]),
        ('model_package(name = "a", out = "/a.pt")',
         ["2:33: model_package() attribute out: '/a.pt' is an absolute path"]),
        ('model_package(name = "a", policy = ["a.**", 3])',
         ["2:37: model_package() attribute policy[0]: expected a policy rule, got string",
          "2:45: model_package() attribute policy[1]: expected a policy rule, got int"]),
        ('model_package(name = "a", policy = intern("a"))',
         ['2:36: model_package() attribute policy: expected a list of policy rules, '
          'got a policy rule']),
        ('p = [intern("a**"), deny("a..b"), mock("a-b"), extern([]), intern(["a", 1])]',
         ["2:13: intern() attribute include: 'a**' has ** as a part of the segment 'a**': "
          "it can only be a whole one",
          "2:26: deny() attribute include: 'a..b' is not a glob over dotted module names, "
          "such as models.** or torch.*.fx",
          "2:40: mock() attribute include: 'a-b' is not a glob over dotted module names, "
          "such as models.** or torch.*.fx",
          "2:55: extern() attribute include: the list is empty",
          "2:73: intern() attribute include[1]: expected a string, got int"]),
        ('p = [intern("a", "b"), intern("a", include = "b"), intern("a", allow_empty = 1)]',
         ["2:6: intern() takes at most 1 without a name, got 2 without a name",
          "2:46: intern() got 'include' twice",
          "2:78: intern() attribute allow_empty: expected a boolean, got int"]),
        ('package_test(name = "t", package = ":a", main = "t.sh", timeout = 0, env = {"A=B": "", "C": 1}, args = [1])',
         ["2:49: package_test() attribute main: 't.sh' does not end in .py",
          "2:67: package_test() attribute timeout: 0 is not a positive number",
          "2:84: package_test() attribute env['A=B']: 'A=B' is not the name of an environment variable, "
          "such as OMP_NUM_THREADS",
          "2:93: package_test() attribute env['C']: expected a string, got int",
          "2:105: package_test() attribute args[0]: expected a string, got int"]),
        ('python_modules(name = "a", srcs = ["a.txt"])',
         ["2:36: python_modules() attribute srcs[0]: 'a.txt' does not end in .py"]),
        ('python_modules(name = "a", srcs = None)',
         ["2:35: python_modules() attribute srcs: expected a list of labels, got None"]),
        ('python_modules(name = "a\\0b", srcs = [])',
         ["2:23: python_modules() attribute name: a string with a NUL character"]),
        ('package(default_visibility = "//visibility:public")',
         ["2:30: package() attribute default_visibility: expected a list of strings, got string"]),
        ("package()\npackage()", ["3:1: package() is called twice"]),
        ('model(name = "a", factory = "a:b")\npackage()', ["3:1: package() comes after a target"]),
        ("exports_files(3)", ["2:15: exports_files() attribute srcs: expected a list of strings, got int"]),
        ('exports_files(["../a"])', ["2:16: exports_files() attribute srcs[0]: '../a' has the segment '..'"]),
        ("package_name(1)", ["2:1: package_name() takes named arguments only, got 1 without a name"]),
    ],
)  # fmt: skip
def test_errors(files: WorkspaceFiles, text: str, expected: list[str]) -> None:
    files.build("p", text)
    assert files.build_errors("p") == [f"p/BUILD:{line}" for line in expected]


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ('model(name = "a", factori = "a:b")', "did you mean 'factory'?"),
        ('model(nam = "a", factory = "a:b")', "did you mean 'name'?"),
        ('model(name = "a", factory = "a:b", Deps = [])', "did you mean 'deps'?"),
        ('model(name = "a", factory = "a:b", color = 1)',
         "it has: name, factory, args, seed, weights, weights_key, weights_prefix, cpu, deps, visibility, tags"),
        ('model_package(name = "a", policy = ["a.**"])', 'write intern("a.**"), extern(...), mock(...) or deny(...)'),
        ('model(name = "a")', "The function that makes the model, as `module:function`."),
        ("modle()", "did you mean 'model'?"),
    ],
)  # fmt: skip
def test_next_steps(files: WorkspaceFiles, text: str, step: str) -> None:
    files.build("p", text)
    (error,) = files.errors(lambda: files.file("p"))
    assert error.next_step == step


def test_one_wrong_target_hides_no_other(files: WorkspaceFiles) -> None:
    files.build(
        "p", 'model(name = 1)\nx = glob(["none"])\nmodel(name = "b", factory = 2)\nfail("end")\nmodel()\n'
    )
    assert files.build_errors("p") == [
        "p/BUILD:2:1: model() needs the attribute 'factory'",
        "p/BUILD:2:14: model() attribute name: expected a string, got int",
        "p/BUILD:3:11: the pattern 'none' matches no file",
        "p/BUILD:4:29: model() attribute factory: expected a string, got int",
        "p/BUILD:5:1: fail: end",
    ]


def test_the_whole_message(files: WorkspaceFiles) -> None:
    files.build("p", 'model(\n    name = "é",\n    sede = 3,\n    factory = "a:b",\n)\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert str(error).splitlines() == [
        "p/BUILD:4:5: model() has no attribute 'sede'",
        "    4 |     sede = 3,",
        "      |     ^^^^^^^^",
        "  -> did you mean 'seed'?",
    ]


def test_duplicate_names_show_both_places(files: WorkspaceFiles) -> None:
    files.build(
        "p", 'model(name = "a", factory = "a:b")\n\nmodel_package(name = "a")\nexports_files(["a"])\n'
    )
    first, second = files.errors(lambda: files.file("p"))
    assert (str(first.location), first.summary) == ("p/BUILD:4:22", "the name 'a' is taken")
    assert dict(first.facts) == {"first": "p/BUILD:2:1"}
    assert (str(second.location), second.summary) == ("p/BUILD:5:16", "the name 'a' is taken")


def test_two_targets_with_one_output(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        """
        model_package(name = "a")
        model_package(name = "b", out = "a.pt")
        model_package(name = "c", out = "a.pt/c")
        model_package(name = "d", out = "x/a.pt")
        model_package(name = "e", out = "x")
        """,
    )
    errors = files.errors(lambda: files.file("p"))
    assert [(str(error.location), dict(error.facts)["other"]) for error in errors] == [
        ("p/BUILD:3:33", "//p:a at p/BUILD:2:1"),
        ("p/BUILD:4:33", "//p:a at p/BUILD:2:1"),
        ("p/BUILD:6:33", "//p:d at p/BUILD:5:1"),
    ]


def test_two_things_at_one_place_of_the_artifact(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        'model_package(name = "a", models = {"a/b": ":m"}, resources = {"a/b": "f", "a": "f", "c.py": "f"}, '
        'sources = {"c": "", "d": ""})\n',
    )
    assert files.build_errors("p") == [
        "p/BUILD:2:71: resources 'a/b' is at the same place of the artifact as models 'a/b'",
        "p/BUILD:2:81: resources 'a' is at the same place of the artifact as models 'a/b'",
        "p/BUILD:2:116: sources 'c' is at the same place of the artifact as resources 'c.py'",
    ]


def test_a_module_in_two_targets(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        'python_modules(name = "a", srcs = ["x.py"])\npython_modules(name = "b", srcs = ["y.py", ":x.py", "//q:z.py"])\n',
    )
    errors = files.errors(lambda: files.file("p"))
    assert [f"{error.location}: {error.summary}" for error in errors] == [
        "p/BUILD:3:44: the module '//p:x.py' is in two python_modules targets",
        "p/BUILD:3:53: '//q:z.py' is a file of another package",
    ]
    assert dict(errors[0].facts) == {"first": "//p:a at p/BUILD:2:1"}


def test_errors_in_a_macro_are_where_it_is_called_and_say_where_it_is(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        """\
        load("@hermpkg//rules:defs.bzl", "model")

        def inner(name, **kwargs):
            model(name = name, **kwargs)

        def outer(name):
            inner(name, factory = 3)
        """,
    )
    files.build(
        "p", 'load(":m.bzl", "inner", m = "outer")\ninner(name = "x", factory = "a:b", foo = 1)\nm("y")\n'
    )
    first, second = files.errors(lambda: files.file("p"))
    assert (str(first.location), first.summary) == ("p/BUILD:3:1", "model() has no attribute 'foo'")
    assert dict(first.facts) == {"in the macro at": "p/m.bzl:4:5"}
    assert str(second.location) == "p/BUILD:4:1"
    assert dict(second.facts) == {"in the macro at": "p/m.bzl:7:5\np/m.bzl:4:5"}


def test_a_long_line_is_clipped_around_the_fault(files: WorkspaceFiles) -> None:
    files.build(
        "p", f'model(name = "a", tags = ["{"x" * 300}"], factory = 3, args = {{"y": "{"z" * 300}"}})\n'
    )
    (error,) = files.errors(lambda: files.file("p"))
    shown, carets = error.snippet.splitlines()
    assert len(shown) < 120
    assert shown[carets.index("^")] == "3"
    assert shown.endswith("…")
    assert "…" in shown[:6]


@pytest.mark.parametrize("value", ["x = []\n    x.append(x)", "x = {}\n    x['x'] = x"])
def test_a_value_that_holds_itself(files: WorkspaceFiles, value: str) -> None:
    files.write(
        "p/m.bzl",
        f'load("@hermpkg//rules:defs.bzl", "model")\n\ndef f():\n    {value}\n'
        '    model(name = "a", factory = "a:b", args = {"x": x})\n',
    )
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf()\n')
    (error,) = files.errors(lambda: files.file("p"))
    assert error.summary == "a value is nested too deeply, or holds itself"
    assert str(error.location) == "p/m.bzl:6"
