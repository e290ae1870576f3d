"""The absolute paths that functions of the file system are asked about, by whatever they are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.factories.system_functions import path_of_open, without_kernels_link


def file_of_database(given: object) -> object:
    """The path that a name of a database leads to, which can be an address: ``file:x.db?mode=ro``."""
    if not isinstance(given, str) or not given.startswith("file:"):
        return given
    from urllib.parse import unquote

    return unquote(given.removeprefix("file:").removeprefix("//").partition("?")[0].partition("#")[0])


def absolute(path: object) -> str:
    """A path made absolute by the current folder; "" for anything that is not a path."""
    try:
        name = absolute_path(os.fsdecode(path))  # type: ignore[arg-type]
    except (TypeError, ValueError, OSError):
        return ""
    return without_kernels_link(name) if name.startswith(("/proc/", "/dev/fd/")) else name


def given_path(path: object, options: Mapping[str, Any]) -> str:
    """The path that a function of `os` is given, made absolute, also by an open folder."""
    folder = options.get("dir_fd")
    if folder is None or isinstance(path, int):
        return absolute(path)
    start = path_of_open(folder)
    try:
        return absolute(os.path.join(start, os.fsdecode(path))) if start else ""  # type: ignore[arg-type]
    except TypeError:
        return ""
