"""Finds the .bzl file that the label in a load statement names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.core.folders import NAME_THEM_APART
from hermpkg_build.core.label import Label
from hermpkg_build.core.spelling import question
from hermpkg_build.errors import LabelError
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.rules import DEFS_LABEL

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_FOR_BAZEL = (
    f"hermpkg itself has the rules of {DEFS_LABEL} alone: let Bazel build this, which takes them too, or"
    f" {NAME_THEM_APART}"
)


def bzl_path(text: str, package: str, packages: Packages, tree: SourceTree) -> str:
    """Return the workspace path of the .bzl file that a file of `package` calls `text`. Raises LabelError."""
    if not text.startswith((":", "//", "@")):
        raise LabelError(
            f"{text!r} is not the label of a .bzl file", next_step=f"write ':{text}' or '//pkg:{text}'"
        )
    label = Label.parse(text, package=package)
    if label.repository:
        step = question(text, [DEFS_LABEL]) or _FOR_BAZEL
        raise LabelError(f"{text!r} is in another repository", next_step=step)
    if not label.name.endswith(".bzl"):
        raise LabelError(f"{text!r} is not a .bzl file", next_step="load() takes .bzl files only")
    if packages.build_file(label.package) is None:
        raise packages.no_such_package(label)
    inner = packages.crossed_by(label)
    if inner is not None:
        raise LabelError(
            f"{text!r} reaches into the package //{inner}",
            next_step=f"write '{packages.label_of(label.path)}'",
        )
    if not tree.is_file(packages.directory(label.path)):
        names = tree.entries(packages.directory(label.package)) or {}
        files = [name for name in names if name.endswith(".bzl")]
        raise LabelError(f"no such file: {label.path}", next_step=question(label.name, files, prefix=":"))
    return label.path
