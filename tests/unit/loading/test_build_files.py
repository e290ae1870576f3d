"""What BUILD files declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import Model, ModelPackage, PackageTest, PythonModules
from hermpkg_build.errors import GroupedError, LabelError, Location

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

PRIVATE = ("//visibility:private",)


def test_each_rule_with_its_defaults(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        """
        python_modules(name = "lib", srcs = ["a.py"])
        model(name = "net", factory = "p.a:make")
        model_package(name = "art")
        package_test(name = "check", package = ":art", main = "t.py")
        """,
    )
    targets = files.file("p").targets
    assert list(targets) == ["lib", "net", "art", "check"]
    assert targets["lib"] == PythonModules(
        label=Label("p", "lib"), srcs=(Label("p", "a.py"),), resources=(), deps=(), visibility=PRIVATE
    )
    assert targets["net"] == Model(
        label=Label("p", "net"),
        factory="p.a:make",
        args={},
        seed=0,
        weights=None,
        deps=(),
        visibility=PRIVATE,
    )
    assert targets["art"] == ModelPackage(
        label=Label("p", "art"),
        models={},
        modules=(),
        resources={},
        sources={},
        policy=(),
        requires={},
        files="auto",
        out=None,
        python_version=None,
        deps=(),
        visibility=PRIVATE,
    )
    assert targets["art"].output == "art.pt"
    assert targets["check"] == PackageTest(
        label=Label("p", "check"),
        package=Label("p", "art"),
        main=Label("p", "t.py"),
        args=(),
        env={},
        timeout=60,
        deps=(),
        visibility=PRIVATE,
    )
    assert all(target.visibility == PRIVATE and target.tags == () for target in targets.values())
    assert [label for _, label in targets["check"].labelled()] == [Label("p", "art"), Label("p", "t.py")]
    assert targets["check"].dependencies == (Label("p", "art"),)
    assert targets["art"].location == Location("p/BUILD", 4, 1)


def test_attributes_that_are_given(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        """
        model(
            name = "net",
            factory = "p.a:Net.make",
            args = {"n": 3, "x": [1.5, None, True, ("t", {"deep": -1})], "f": 1.0, "big": 1 << 80},
            seed = -7,
            weights = "//w:net.safetensors",
            deps = [":lib", "//q", "//r:lib"],
            tags = ["manual", "slow"],
            visibility = ["//a:__pkg__", ":__subpackages__"],
        )
        """,
    )
    target = files.target("//p:net")
    assert target.args == {
        "n": 3,
        "x": (1.5, None, True, ("t", {"deep": -1})),
        "f": 1.0,
        "big": 1 << 80,
    }
    assert isinstance(target.args, dict)
    assert isinstance(target.args["f"], float)
    assert target.seed == -7
    assert target.deps == target.dependencies == (Label("p", "lib"), Label("q", "q"), Label("r", "lib"))
    assert [label for _, label in target.labelled()] == [Label("w", "net.safetensors"), *target.deps]
    assert target.tags == ("manual", "slow")
    assert target.visibility == ("//a:__pkg__", "//p:__subpackages__")


def test_policy_rules_pass_through_variables_lists_and_macros(files: WorkspaceFiles) -> None:
    files.write(
        "tools/BUILD",
    )
    files.write(
        "tools/policies.bzl",
        """\
        load("@hermpkg//rules:defs.bzl", "deny", "extern", "model_package")

        COMMON = [extern(["torch.**", "numpy"], exclude = "torch.fx.**", allow_empty = True)]

        def closed(name, policy = []):
            rules = {"all": policy + COMMON + [deny("**")]}
            model_package(name = name, policy = rules["all"])
        """,
    )
    files.build(
        "p",
        """
        load("//tools:policies.bzl", "closed")
        own = intern("p.**")
        closed(name = "art", policy = [own])
        """,
    )
    policy = files.target("//p:art").policy
    assert policy == (
        PolicyRule(policy=Policy.INTERN, include=("p.**",)),
        PolicyRule(
            policy=Policy.EXTERN, include=("torch.**", "numpy"), exclude=("torch.fx.**",), allow_empty=True
        ),
        PolicyRule(policy=Policy.DENY, include=("**",)),
    )
    assert isinstance(policy, tuple)
    places = [str(rule.location) for rule in policy if isinstance(rule, PolicyRule)]
    assert places == ["p/BUILD:3:7", "tools/policies.bzl:3:11", "tools/policies.bzl:6:40"]


def test_a_target_made_by_a_macro_is_where_the_build_file_calls_the_macro(files: WorkspaceFiles) -> None:
    files.write("tools/BUILD")
    files.write(
        "tools/m.bzl",
        """\
        load("@hermpkg//rules:defs.bzl", "model")

        def _one(name):
            model(name = name, factory = "a.b:" + name)

        def many(names):
            for name in names:
                _one(name)
        """,
    )
    files.build("p", 'load("//tools:m.bzl", models = "many")\n\n[models([n, n + "2"]) for n in ["x", "y"]]\n')
    targets = files.file("p").targets
    assert list(targets) == ["x", "x2", "y", "y2"]
    assert {str(target.location) for target in targets.values()} == {"p/BUILD:4:2"}


def test_package_sets_the_default_visibility(files: WorkspaceFiles) -> None:
    files.build(
        "p",
        """
        package(default_visibility = ["//visibility:public"])
        model(name = "a", factory = "a.b:c")
        model(name = "b", factory = "a.b:c", visibility = ["//visibility:private"])
        model(name = "c", factory = "a.b:c", visibility = [])
        """,
    )
    targets = files.file("p").targets
    assert [targets[name].visibility for name in "abc"] == [("//visibility:public",), PRIVATE, ()]


def test_exports_files(files: WorkspaceFiles) -> None:
    files.build(
        "p", 'exports_files(["a.txt", "b.txt"])\nexports_files(["c.txt"], visibility = ["//q:__pkg__"])\n'
    )
    assert files.file("p").exports == {
        "a.txt": ("//visibility:public",),
        "b.txt": ("//visibility:public",),
        "c.txt": ("//q:__pkg__",),
    }


def test_build_bazel_wins_over_build(files: WorkspaceFiles) -> None:
    files.write("p/BUILD", "this is not even Starlark")
    files.write("p/BUILD.bazel", 'exports_files(["x"])\n')
    assert files.file("p").path == "p/BUILD.bazel"
    files.write("q/BUILD.bazel/folder.txt")
    files.write("q/BUILD")
    assert files.file("q").path == "q/BUILD"


def test_no_build_file(files: WorkspaceFiles) -> None:
    files.write("p/x.py")
    with pytest.raises(LabelError) as caught:
        files.file("p")
    assert caught.value.summary == "no such package: //p"
    assert dict(caught.value.facts) == {"looked for": "p/BUILD or p/BUILD.bazel"}


def test_crlf_bom_spaces_and_letters(files: WorkspaceFiles) -> None:
    text = 'load("@hermpkg//rules:defs.bzl", "model")\n\nx = "é"; model(name = "modèle", factory = "a.b:ü")\n'
    files.write("dossier été/BUILD", b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    target = files.target("//dossier été:modèle")
    assert target.location == Location("dossier été/BUILD", 3, 10)
    assert target.factory == "a.b:ü"


def test_print_is_told_once_with_its_place(files: WorkspaceFiles) -> None:
    files.write("p/m.bzl", 'print("loaded")\ndef f(x):\n    print("x is", x, len, sep = "|")\n')
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf((1,))\n')
    files.write("q/BUILD", 'load("//p:m.bzl", "f")\n')
    loader = files.loader()
    for package in ("p", "q", "p"):
        loader.build_file(package)
    assert [(str(location), text) for location, text in files.messages] == [
        ("p/m.bzl:1:1", "loaded"),
        ("p/m.bzl:3:5", "x is|(1,)|len"),
    ]


def test_names_that_differ_only_by_case(files: WorkspaceFiles) -> None:
    files.build("p", 'model(name = "Net", factory = "a:b")\nmodel(name = "net", factory = "a:b")\n')
    assert list(files.file("p").targets) == ["Net", "net"]


def test_an_error_is_the_same_every_time_it_is_asked_for(files: WorkspaceFiles) -> None:
    files.build("p", "model()\nmodel()\n")
    loader = files.loader()
    with pytest.raises(GroupedError) as first:
        loader.build_file("p")
    with pytest.raises(GroupedError) as second:
        loader.build_file("p")
    assert str(first.value) == str(second.value)


def test_json_and_native_in_bzl_files(files: WorkspaceFiles) -> None:
    files.write(
        "p/m.bzl",
        """\
        load("@hermpkg//rules:defs.bzl", "model_package", "python_modules")

        INFO = struct(names = ["b"])

        def f():
            native.exports_files(["x"])
            python_modules(name = native.package_name(), srcs = native.glob(["*.py"], exclude = INFO.names))
            model_package(name = "j", sources = {"settings": "X = " + json.encode({"a": [1, None]})})
        """,
    )
    files.write("p/a.py")
    files.write("p/b")
    files.write("p/BUILD", 'load(":m.bzl", "f")\nf()\n')
    file = files.file("p")
    assert file.targets["p"].srcs == (Label("p", "a.py"),)
    assert file.targets["j"].sources == {"settings": 'X = {"a":[1,null]}'}
    assert list(file.exports) == ["x"]
