"""What Bazel reads of ours uses only what versions 7, 8 and 9 still have; held here by their tables of names.

A Bazel that has modules is not to be had on every machine. What older ones can be told to refuse, the tests
under a real Bazel refuse.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import starlark

import hermpkg_build

REPOSITORY = Path(__file__).resolve().parents[3]
RULES = REPOSITORY / "rules"
BZL_FILES = sorted(RULES.rglob("*.bzl"))
EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/WORKSPACE"))
MODULES = [REPOSITORY / "MODULE.bazel", *(folder / "MODULE.bazel" for folder in EXAMPLES)]
BUILD_FILES = [
    *(RULES / name for name in ("BUILD", "private/BUILD")),
    REPOSITORY / "hermpkg_build" / "BUILD",
]

LANGUAGE = {
    "dict",
    "enumerate",
    "fail",
    "getattr",
    "hasattr",
    "int",
    "len",
    "load",
    "range",
    "repr",
    "str",
    "type",
}
BUILTINS = LANGUAGE | {
    "DefaultInfo",
    "Label",
    "attr",
    "config",
    "depset",
    "json",
    "module_extension",
    "native",
}
BUILTINS |= {"provider", "repository_rule", "rule", "struct", "tag_class"}
"""What .bzl files find without loading it; rules of other languages are in repositories of their own now."""

MEMBERS = {
    "attr": {
        "bool",
        "label",
        "label_keyed_string_dict",
        "label_list",
        "string",
        "string_dict",
        "string_list",
    },
    "config": {"string_list"},
    "ctx": {
        *("actions", "attr", "build_setting_value", "executable", "file", "files", "label", "runfiles"),
        "workspace_name",
        # Of repositories.
        *("execute", "os", "path", "read", "symlink", "watch", "which", "workspace_root"),
    },
    "ctx.actions": {"args", "declare_directory", "declare_file", "run", "write"},
    "ctx.os": {"environ"},
    "json": {"decode", "encode"},
    "module_ctx": {"extension_metadata", "modules"},
    "native": {"bazel_version", "package_name", "package_relative_label"},
}
PARAMETERS = {
    "attr.label": {"allow_single_file", "cfg", "default", "doc", "executable", "mandatory", "providers"},
    "attr.label_keyed_string_dict": {"allow_files"},
    "ctx.actions.run": {
        *("arguments", "env", "executable", "execution_requirements", "inputs", "mnemonic", "outputs"),
        *("progress_message", "tools"),
    },
    "ctx.actions.write": {"content", "is_executable", "output"},
    "module_extension": {"doc", "implementation", "tag_classes"},
    "provider": {"doc", "fields"},
    "repository_rule": {"attrs", "configure", "doc", "environ", "implementation", "local"},
    "rule": {"attrs", "build_setting", "doc", "executable", "implementation", "provides", "test"},
    "tag_class": {"attrs", "doc"},
}
BUILD_FUNCTIONS = {"exports_files", "filegroup", "glob", "label_flag", "load", "package"}
MODULE_FUNCTIONS = {
    "bazel_dep": {"name"},
    "local_path_override": {"module_name", "path"},
    "module": {"name", "version"},
    "use_extension": {"extension_bzl_file", "extension_name"},
    "use_repo": set(),
}


def parsed(path: Path) -> ast.Module:
    """A file of Starlark, whose grammar is a part of Python's."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def bound(tree: ast.Module) -> Iterator[str]:
    """The names that a file gives itself, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            arguments = node.args
            given = [*arguments.args, arguments.vararg, arguments.kwarg]
            yield from (each.arg for each in given if each is not None)
            if isinstance(node, ast.FunctionDef):
                yield node.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "load":
            yield from (ast.literal_eval(each) for each in node.args[1:])
            yield from (str(each.arg) for each in node.keywords)


def free(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names - {*bound(tree)} - {"None", "True", "False"}


def calls(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Each call: the function as it is written, and the names of its arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {str(each.arg) for each in node.keywords if each.arg is not None}


@pytest.mark.parametrize("path", BZL_FILES, ids=lambda path: path.name)
def test_rules_use_what_newer_versions_have(path: Path) -> None:
    tree = parsed(path)
    assert free(tree) <= BUILTINS
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            assert node.attr in MEMBERS.get(owner, {node.attr}), f"{owner}.{node.attr}"
    for function, names in calls(tree):
        assert names <= PARAMETERS.get(function, names), function


def test_what_is_only_there_in_older_versions_is_asked_for_first() -> None:
    texts = [path.read_text(encoding="utf-8") for path in BZL_FILES]
    assert sum(text.count("label.workspace_name") for text in texts) == 1
    assert any("label.repo_name if hasattr(label, " in text for text in texts)
    assert not any(re.search(r"owner\.workspace_name|cfg = \"host\"|\.to_json\(", text) for text in texts)


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_our_build_files_need_no_rules_that_are_in_other_repositories(path: Path) -> None:
    assert free(parsed(path)) <= BUILD_FUNCTIONS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_module_files(path: Path) -> None:
    tree = parsed(path)
    assert free(tree) <= MODULE_FUNCTIONS.keys()
    assert all(isinstance(node, ast.Expr | ast.Assign) for node in tree.body)
    made = dict(calls(tree))
    for function, names in made.items():
        assert names <= MODULE_FUNCTIONS[function], function
    assert ("local_path_override" in made) == (path.parent != REPOSITORY)
    for line in re.findall(r'path = "(.*)"', path.read_text()):
        assert (path.parent / line / "MODULE.bazel").samefile(REPOSITORY / "MODULE.bazel")


def test_the_module_has_the_version_of_the_package() -> None:
    (version,) = re.findall(r'version = "(.*)"', (REPOSITORY / "MODULE.bazel").read_text())
    assert version == hermpkg_build.__version__


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('repo_name = ""', "//a:b"),
        ('workspace_name = ""', "//a:b"),
        ('repo_name = "lib+"', "@lib+//a:b"),
        ('workspace_name = "lib"', "@lib//a:b"),
        ('repo_name = "lib+", workspace_name = "another"', "@lib+//a:b"),
    ],
)
def test_labels_of_every_version(fields: str, text: str) -> None:
    source = (RULES / "private" / "requests.bzl").read_text(encoding="utf-8")
    functions = source[source.index("def label_text(") : source.index("def file_label_text(")]
    module = starlark.Module()
    call = f'\nfound = label_text(struct(name = "b", package = "a", {fields}))'
    tree = starlark.parse("requests.bzl", functions + call, starlark.Dialect.extended())
    starlark.eval(module, tree, starlark.Globals.extended_by([starlark.LibraryExtension.StructType]))
    assert module["found"] == text
