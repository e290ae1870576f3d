"""Chooses what the BUILD files of a new workspace are called: those of another tool stay as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from hermpkg_build.core.folders import BUILD_NAMES, OWN_BUILD_NAME
from hermpkg_build.disk.files import read_limited
from hermpkg_build.loading.layout import BAZEL_MARKERS

_LOADS_OURS = b"@hermpkg//"
_IS_TOLD_OF_US = b"hermpkg"
_STATEMENT = re.compile(rb"^\s*[^\s#]", re.MULTILINE)


def choose_build_names(root: str, folders: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The names of BUILD files of the workspace at `root`, and why not the usual ones, "" if they are these.

    They are where BUILD files load our rules, or where Bazel knows of us. Other BUILD files, and a Bazel that
    would find ours, are another tool's: it reads none of our rules, and we read none of its.
    """
    others = ""
    for path in _build_files(root, folders):
        data = _data(os.path.join(root, path))
        if _LOADS_OURS in data:
            return BUILD_NAMES, ""
        if not others and _STATEMENT.search(data):
            others = f"{path} is another tool's"
    marker = _bazel_above(root)
    if marker and _IS_TOLD_OF_US in _data(marker):
        return BUILD_NAMES, ""
    if marker and not others:
        others = f"{os.path.basename(marker)} has Bazel read files of the usual names"
    return ((OWN_BUILD_NAME,), others) if others else (BUILD_NAMES, "")


def _build_files(root: str, folders: Collection[str]) -> Iterator[str]:
    for folder in sorted({"", *folders}):
        for name in BUILD_NAMES:
            path = f"{folder}/{name}".lstrip("/")
            if os.path.isfile(os.path.join(root, path)):
                yield path


def _bazel_above(root: str) -> str:
    """The file by which `root`, or a folder above in its repository, is a workspace of Bazel; "" for none."""
    folder = os.path.abspath(root)
    while True:
        for marker in BAZEL_MARKERS:
            if os.path.isfile(path := os.path.join(folder, marker)):
                return path
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return ""
        folder = parent


def _data(path: str) -> bytes:
    try:
        return read_limited(path)
    except OSError:
        return b""
