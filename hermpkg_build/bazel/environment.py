"""Describes the Python environment to Bazel, and checks that it is still the one described."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path

from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.environment import BuildEnvironment, current_environment
from hermpkg_build.errors import LocalEnvironmentError

LOOK_AGAIN = (
    "let Bazel look again: bazel sync --configure, or without WORKSPACE bazel fetch --force --configure"
)
"""The next step where what Bazel keeps of this machine is not so any more."""

_NEEDED = ("packaging", *(() if sys.version_info >= (3, 11) else ("tomli",)))
"""What actions import beyond the standard library."""

_SITE_FOLDERS = ("site-packages", "dist-packages")


def describe_environment() -> dict[str, Json]:
    """This interpreter, its search path, and what is installed in the site folders on it.

    A site folder counts by its listing, by its ``.pth`` files, and by the RECORD of each distribution,
    which has a digest for every installed file. Other folders are the standard library, which the version
    stands for, or source trees of editable installs, in which people work.
    """
    environment = current_environment(environment_search_path(), "")
    return {
        "interpreter": sys.executable,
        "python": environment.python_version,
        "platform": environment.platform,
        "search_path": list(environment.search_path),
        "installed": {
            folder: _state_of_folder(folder)
            for folder in environment.search_path
            if os.path.basename(folder) in _SITE_FOLDERS
        },
    }


def declared_environment(path: str, workspace_root: str) -> BuildEnvironment:
    """The environment that the file at `path` describes. Raises LocalEnvironmentError if it changed."""
    declared = loads(Path(path).read_bytes())
    present = describe_environment()
    if declared != present:
        assert isinstance(declared, Mapping)
        names = [name for name in present if declared.get(name) != present[name]]
        raise LocalEnvironmentError(
            "the Python environment is not the one that Bazel looked at",
            facts=[("interpreter", sys.executable), ("changed", ", ".join(names))],
            next_step=LOOK_AGAIN,
        )
    return current_environment(environment_search_path(), workspace_root)


def write_environment(path: str) -> str:
    """Describe the environment in a file; the fingerprint of the description, in hexadecimal digits.

    Raises LocalEnvironmentError where actions would lack what they need of it.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise LocalEnvironmentError(
            "what hermpkg's actions need is not installed",
            facts=[("interpreter", sys.executable), ("missing", ", ".join(missing))],
        )
    description = describe_environment()
    Path(path).write_bytes(dumps(description) + b"\n")
    return fingerprint(description).hash


def bytecode_in_words() -> str:
    """Tell apart interpreters that compile sources differently."""
    return f"{sys.implementation.cache_tag}-{MAGIC_NUMBER.hex()}"


def _state_of_folder(folder: str) -> str:
    listing = SourceTree().entries(folder)
    if listing is None:
        return "absent"
    contents = []
    for name, is_folder in listing.items():
        path = os.path.join(folder, name, "RECORD") if name.endswith(".dist-info") else ""
        if name.endswith(".pth") and not is_folder:
            path = os.path.join(folder, name)
        if path and os.path.isfile(path):
            contents.append([name, Digest.of(Path(path).read_bytes()).hash])
    return fingerprint([list(listing.items()), contents]).hash
