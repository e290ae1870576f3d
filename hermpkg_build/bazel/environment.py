"""The Python environment as a declared input: what Bazel is told of it, and whether it is still so."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.engine.environment import BuildEnvironment, current_environment
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.tree import SourceTree


def describe_environment() -> dict[str, Json]:
    """This interpreter, its search path, and what is installed in each of its folders.

    A folder counts by its listing, by the ``.pth`` files in it, and by the RECORD of each distribution, which
    has a digest for every file that was installed.
    """
    environment = current_environment(environment_search_path())
    return {
        "interpreter": sys.executable,
        "python": environment.python_version,
        "platform": environment.platform,
        "search_path": list(environment.search_path),
        "installed": {folder: _state_of_folder(folder) for folder in environment.search_path},
    }


def declared_environment(path: str) -> BuildEnvironment:
    """The environment that the file at `path` describes. Raises LocalEnvironmentError if it changed."""
    declared = loads(Path(path).read_bytes())
    present = describe_environment()
    if declared != present:
        assert isinstance(declared, Mapping)
        names = [name for name in present if declared.get(name) != present[name]]
        raise LocalEnvironmentError(
            "the Python environment is not the one that Bazel looked at",
            facts=[("interpreter", sys.executable), ("changed", ", ".join(names))],
            next_step="let Bazel look again: bazel sync --configure",
        )
    return current_environment(environment_search_path())


def write_environment(path: str) -> None:
    """Describe the environment in a file."""
    Path(path).write_bytes(dumps(describe_environment()) + b"\n")


def _state_of_folder(folder: str) -> str:
    listing = SourceTree().entries(folder)
    if listing is None:
        return "absent"
    entries = {name: is_folder for name, is_folder in listing.items() if _can_matter(name, is_folder)}
    contents = []
    for name, is_folder in entries.items():
        path = os.path.join(folder, name, "RECORD") if name.endswith(".dist-info") else ""
        if name.endswith(".pth") and not is_folder:
            path = os.path.join(folder, name)
        if path and os.path.isfile(path):
            contents.append([name, Digest.of(Path(path).read_bytes()).hash])
    return fingerprint([list(entries.items()), contents]).hash


def _can_matter(name: str, is_folder: bool) -> bool:
    """Whether an entry of the search path can be a module, or says what is installed."""
    stem, dot, suffix = name.partition(".")
    if is_folder:
        return name.endswith(".dist-info") or (stem.isidentifier() and not dot)
    return (stem.isidentifier() and suffix.endswith(("py", "so"))) or name.endswith(".pth")
