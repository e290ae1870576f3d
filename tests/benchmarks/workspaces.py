"""Writes workspaces of many packages over shared modules, for benchmarks of scale."""

from __future__ import annotations

from pathlib import Path

MODULES_OF_A_FOLDER = 100
_FOLDERS_BEFORE = 3
_FUNCTIONS = 14

_BUILD = """\
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package", "python_modules")

python_modules(
    name = "code",
    srcs = glob(["**/*.py"]),
    visibility = ["//visibility:public"],
    deps = {deps},
)

model_package(
    name = "artifact",
    modules = {modules},
    policy = [
        intern("lib*.**"),
        deny("**"),
    ],
    deps = [":code"],
)
"""


def write_deep(root: Path, folders: int) -> None:
    """Write a workspace in which each folder imports from the three before it, whose closures are all before.

    Artifact number n holds all modules of the folders up to n: half of the workspace in the mean.
    """
    for number in range(folders):
        before = range(max(0, number - _FOLDERS_BEFORE), number)
        _write_folder(
            root,
            number,
            before,
            {index: _imports(number, index, before) for index in range(MODULES_OF_A_FOLDER)},
        )
    _finish(root)


def write_shallow(root: Path, folders: int) -> None:
    """Write a workspace in which each folder imports the lower half of the two before it, and goes no deeper.

    An artifact holds at most 200 modules, however many folders there are, though what its targets depend on
    reaches back to the first folder.
    """
    half = MODULES_OF_A_FOLDER // 2
    for number in range(folders):
        before = range(max(0, number - 2), number)
        _write_folder(
            root,
            number,
            before,
            {
                index: _imports(number, index, before if index >= half else (), half)
                for index in range(MODULES_OF_A_FOLDER)
            },
        )
    _finish(root)


def _imports(
    number: int, index: int, before: range | tuple[()], below: int = MODULES_OF_A_FOLDER
) -> list[str]:
    """The modules that a module imports: the next ones of its folder, and one of each folder before it."""
    half = index - index % below
    own = [f"lib{number}.m{half + (index + step) % below}" for step in (1, 7)]
    return [*own, *(f"lib{other}.m{index % below}" for other in before)]


def _write_folder(root: Path, number: int, before: range, imports: dict[int, list[str]]) -> None:
    folder = root / f"lib{number}"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    for index, names in imports.items():
        (folder / f"m{index}.py").write_text(_source(number, index, names), encoding="utf-8")
    deps = [f"//lib{other}:code" for other in before]
    roots = [f"lib{number}.m{index}" for index in sorted({*range(0, len(imports), len(imports) // 2)})]
    text = _BUILD.format(deps=str(deps).replace("'", '"'), modules=str(roots).replace("'", '"'))
    (folder / "BUILD").write_text(text, encoding="utf-8")


def _source(number: int, index: int, names: list[str]) -> str:
    lines = [f'"""Module {index} of folder {number}."""', "", "import os", "from typing import Any", ""]
    lines += [
        f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]} as a{at}"
        if at % 2
        else f"import {name}"
        for at, name in enumerate(names)
    ]
    for at in range(_FUNCTIONS):
        lines += ["", "", f"def work_{at}(value: Any) -> Any:", f"    return value * {at} + {index}"]
    return "\n".join(lines) + "\n"


def _finish(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n", encoding="utf-8")
