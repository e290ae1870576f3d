"""The script that an executor runs: makes one model object, and reports what it depends on beyond its inputs.

It runs in a folder that holds `REQUEST` and the files of the workspace under `WORKSPACE`, and leaves
everything in `OUTPUT`. `REPORT`, there, says how it went:

    {"seen": {...}, "search_path": [...]}   the model object lies beside it as a model folder
    {"error": {...}, "seen": {...}}         its factory failed; "seen" is null where it is not known
    {"differs": [[what, asked, found]],     this Python environment is not the one that was asked for;
     "installed": [[name, ...], ...]}       "installed" is what each folder of its search path holds

"seen" has states by name, both those of `BuildEnvironment`, so that the machine that asked can compare them
with its own. The search path of the request may be null, for that of the interpreter that runs this script.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    _tool = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.path.insert(0, _tool)

from collections.abc import Mapping, Sequence
from typing import Any

import hermpkg_build
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.code_states import CodeStates
from hermpkg_build.engine.environment import BuildEnvironment, current_environment
from hermpkg_build.errors import HermpkgError
from hermpkg_build.factories.failures import FactoryError, error_to_json
from hermpkg_build.factories.model_folder import make_model_folder
from hermpkg_build.factories.request import ModelRequest, ObservedFiles

REQUEST = "request.json"
WORKSPACE = "workspace"
OUTPUT = "out"
REPORT = "report.json"

EXIT_MADE, EXIT_FAILED, EXIT_REFUSED = 0, 1, 2


def request_bytes(
    request: ModelRequest, environment: Mapping[str, str], search_path: Sequence[str] | None
) -> bytes:
    """The bytes of `REQUEST`; `environment` has the inputs that must be the same there."""
    moved = to_json(request.moved(WORKSPACE))
    path = None if search_path is None else list(search_path)
    return dumps({"request": {**moved, "search_path": path}, "environment": dict(environment)})


def run(folder: str) -> int:
    """Make the model object that `folder` asks for; the exit code."""
    with open(os.path.join(folder, REQUEST), "rb") as file:
        asked: Any = loads(file.read())
    output = os.path.join(folder, OUTPUT)
    os.makedirs(output, exist_ok=True)
    path = asked["request"]["search_path"]
    workspace = os.path.join(folder, WORKSPACE)
    environment = current_environment(_own_search_path() if path is None else tuple(path), workspace)
    request = from_json(ModelRequest, {**asked["request"], "search_path": list(environment.search_path)})
    request = request.moved(workspace)
    tree = SourceTree()
    differs = _differences(asked["environment"], environment, tree)
    if differs:
        _report(output, {"differs": differs, "installed": environment.installed(tree)})
        return EXIT_REFUSED
    try:
        model = make_model_folder(request, output)
    except HermpkgError as error:
        observed = error.observed_files if isinstance(error, FactoryError) else None
        seen = _states(observed, environment)
        _report(output, {"error": error_to_json(error), "seen": seen})
        return EXIT_FAILED
    seen = _states(model.observed_files, environment)
    _report(output, {"seen": seen, "search_path": list(environment.search_path)})
    return EXIT_MADE


def _own_search_path() -> tuple[str, ...]:
    """The search path of this interpreter, without the folder that this package was brought in."""
    ours = os.path.dirname(os.path.dirname(hermpkg_build.__file__))
    return tuple(path for path in environment_search_path() if path != ours)


def _differences(asked: Mapping[str, str], environment: BuildEnvironment, tree: SourceTree) -> list[Json]:
    """What differs from the request, each with what was asked and what is here; then the absent folders."""
    found = environment.inputs(tree)
    differs: list[Json] = [
        [name, asked.get(name, ""), found.get(name, "")]
        for name in sorted(asked.keys() | found.keys())
        if asked.get(name) != found.get(name)
    ]
    if differs:
        # Every search path names a ZIP file of the standard library, which hardly any machine has.
        folders = [path for path in environment.search_path if not path.endswith(".zip")]
        absent = [folder for folder in folders if tree.entries(folder) is None]
        differs += [["a folder of its search path", folder, "absent"] for folder in absent]
    return differs


def _states(seen: ObservedFiles | None, environment: BuildEnvironment) -> dict[str, Json] | None:
    """The present states of what was observed, by name; None where nothing is known."""
    if seen is None:
        return None
    tree = SourceTree()
    code = CodeStates(tree)
    return {name: environment.state_of(name, tree, code) for name in environment.names_of(seen)}


def _report(output: str, report: Mapping[str, Json]) -> None:
    with open(os.path.join(output, REPORT), "wb") as file:
        file.write(dumps(report))


if __name__ == "__main__":
    sys.exit(run(os.getcwd()))
