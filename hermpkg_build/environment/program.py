"""The request for a process that runs a program with an artifact, and its start in place of this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import NoReturn

from hermpkg_build.dataclass import dataclass
from hermpkg_build.environment import program_main

_LENT = ("packaging", "tomli")
"""The libraries that opening an artifact can need, which the environment may lack."""

_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run with the artifact in a file: its packed `module`, or a `script`, else a prompt."""

    artifact: str
    module: str = ""
    script: str = ""
    arguments: Sequence[str] = ()


def start(program: Program, *, python: str, environment: str = "", descriptor: int = -1) -> NoReturn:
    """Let `program` take the place of this process: its exit code and its signals are its own.

    It runs in the interpreter `python`, and with `environment`, the folder of one, without what is installed
    elsewhere. `descriptor` is left open: it holds the environment.
    """
    from dataclasses import asdict

    if descriptor >= 0:
        os.set_inheritable(descriptor, True)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    request = json.dumps({**asdict(program), "lent": _lent_folders()})
    flags = ["-s"] if environment else []
    command = [python, *flags, os.path.abspath(program_main.__file__), request]
    os.execve(python, command, _variables(program, environment, os.environ))  # noqa: S606


def _variables(program: Program, environment: str, environ: Mapping[str, str]) -> dict[str, str]:
    variables = {**environ, "HERMPKG_ARTIFACT": program.artifact}
    if environment:
        variables = {name: value for name, value in variables.items() if name not in _MISLEADING}
        variables["VIRTUAL_ENV"] = environment
        variables["PATH"] = os.pathsep.join(
            [os.path.join(environment, "bin"), environ.get("PATH", os.defpath)]
        )
    return variables


def _lent_folders() -> dict[str, str]:
    """Return the folders in which hermpkg and the libraries that it needs lie, by top-level module."""
    import hermpkg_build

    folders = {"hermpkg_build": os.path.dirname(os.path.dirname(os.path.abspath(hermpkg_build.__file__)))}
    for name in _LENT:
        spec = find_spec(name)
        if spec is not None and spec.origin:
            folders[name] = os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
    return folders
