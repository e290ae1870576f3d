"""Reads the request of an action: lines, each a JSON object with the name of an input and its value.

An action of Bazel's gets its inputs through a params file, which is written while the build runs, so
that lists of any length cost nothing while BUILD files are analysed.

Bazel takes BUILD files for Latin-1 and may or may not write what it read there as UTF-8: that depends on
its version and on the way. So a request says ``{"encoding": "é"}``, which shows what became of an é.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.errors import CommandLineError


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """The inputs and the output of one action. All paths are relative to the working directory.

    `target` is the target that is built, `declared` are those that it depends on, each with its label,
    rule and attributes. `files` are the places of all workspace files that the action may see, by workspace
    path. `facts` are files that the action `analyse` wrote, `models` folders that `model` wrote, by label.
    `environment` is a file that `environment` wrote, `recording` one that `recording` wrote from those of the
    files `asked`, which need not be there, that are among `files`. `workspace` is the root of the workspace,
    where it is known that the action runs on the machine that has it. `source` is the only input of
    `analyse`. `artifact` is the input of `test`, and `arguments` are appended to those of its target.
    """

    target: Mapping[str, Json] = field(default_factory=dict)
    declared: tuple[Mapping[str, Json], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    source_roots: tuple[str, ...] = ()
    environment: str = ""
    recording: str = ""
    asked: tuple[str, ...] = ()
    workspace: str = ""
    source: str = ""
    artifact: str = ""
    arguments: tuple[str, ...] = ()
    output: str = ""


_ONCE = ("target", "environment", "recording", "workspace", "source", "artifact", "output")
_REPEATED = ("declared", "file", "facts", "model", "source_root", "asked")
_PROBE = "é"


def parse_request(lines: Iterable[str]) -> ActionRequest:
    """Read a request. Raises CommandLineError for a line that is not part of one."""
    found = [_parse_line(line) for line in lines if line]
    # The UTF-8 of the probe, taken for Latin-1.
    if ("encoding", _PROBE.encode().decode("latin-1")) in found:
        found = [(name, _as_utf_8(value)) for name, value in found]
    repeated = {name: [value for other, value in found if other == name] for name in _REPEATED}
    return ActionRequest(
        declared=tuple(repeated["declared"]),
        files=dict(repeated["file"]),
        facts=tuple(repeated["facts"]),
        models=dict(repeated["model"]),
        source_roots=tuple(repeated["source_root"]),
        asked=tuple(repeated["asked"]),
        **{name: value for name, value in found if name in _ONCE},
    )


def with_paths_on_disk(request: ActionRequest) -> ActionRequest:
    """The request with its paths as they are on this machine.

    Bazel before version 8 gives executors the names of files as if each byte were a letter. Where an input
    beyond ASCII lies under such a name, all of them do, and the output is expected under one too.
    """
    inputs = [*request.files.values(), *request.facts, *request.models.values(), request.source]
    if all(
        path.isascii() or os.path.lexists(path) or not os.path.lexists(_bytewise(path)) for path in inputs
    ):
        return request
    return replace(
        request,
        files={name: _bytewise(path) for name, path in request.files.items()},
        facts=tuple(map(_bytewise, request.facts)),
        models={label: _bytewise(path) for label, path in request.models.items()},
        source=_bytewise(request.source),
        recording=_bytewise(request.recording),
        artifact=_bytewise(request.artifact),
        output=_bytewise(request.output),
    )


def _bytewise(path: str) -> str:
    return os.fsencode(path).decode("latin-1")


def _parse_line(line: str) -> tuple[str, Any]:
    try:
        ((name, value),) = json.loads(line).items()
        if name in ("encoding", *_ONCE, *_REPEATED):
            return name, value
        reason = f"there is no {name!r}"
    except (ValueError, AttributeError) as error:
        reason = str(error)
    raise CommandLineError(
        "this version does not know a line of the request",
        facts=[("line", line), ("reason", reason)],
        next_step="use the rules and the package of one release of hermpkg",
    )


def _as_utf_8(value: Any) -> Any:
    """A JSON value with all its texts as they were before somebody took their UTF-8 for Latin-1.

    Bytes that are no UTF-8, in the name of a file, become what Python has for them.
    """
    if isinstance(value, str):
        return value.encode("latin-1").decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_as_utf_8(item) for item in value]
    if isinstance(value, dict):
        return {_as_utf_8(key): _as_utf_8(item) for key, item in value.items()}
    return value
