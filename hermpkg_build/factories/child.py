"""Runs the worker in a process of its own that sees nothing of its user's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.texts import signal_name
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.processes import Children, lifeline
from hermpkg_build.extension import VARIABLE
from hermpkg_build.factories.processor import emulation_of

_OUTPUT_LINES = 20
_OUTPUT_BYTES = 16 << 10
SOURCES_SPEAK = ("--check-hash-based-pycs", "always")
"""Words for an interpreter that runs no compiled file in place of another source, whatever that file says.

Sources are inputs, and what was compiled from them is none.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildExit:
    """How a child ended, the last lines that it wrote to its output, and the folder that it worked in."""

    returncode: int
    output: str
    folder: str

    @property
    def description(self) -> str:
        """The end in words: ``killed by SIGKILL (perhaps out of memory)``."""
        if self.returncode >= 0:
            return f"exit status {self.returncode}"
        name = signal_name(-self.returncode)
        meaning = {"SIGKILL": "perhaps out of memory", "SIGSEGV": "a crash in native code"}.get(name, "")
        return f"killed by {name} ({meaning})" if meaning else f"killed by {name}"


def run_child(
    script: str,
    folder: Path,
    *,
    conditions: FactoryConditions,
    variables: Mapping[str, str],
    children: Children,
) -> ChildExit | None:
    """Run a Python script with `folder` and this process's number and lifeline as arguments.

    None if it was cancelled.

    `variables` are environment variables beyond those that every factory has. Raises
    LocalEnvironmentError where the processor of `conditions` cannot be emulated here.

    Its working directory, home and temporary folder are new folders inside, unless the conditions
    name others, which are made where they are missing; standard input is empty; what it prints goes
    to a file there. It leads a process group of its own, and nothing of that group outlives this
    call or this process, not even if the call is interrupted.
    """
    home, work = Path(conditions.home or folder / "home"), Path(conditions.working_folder or folder / "work")
    for path in (work, home, folder / "tmp"):
        path.mkdir(parents=True, exist_ok=True)
    log = folder / "output"
    with log.open("wb") as output, lifeline() as line:
        process = subprocess.Popen(
            [
                *emulation_of(conditions.processor),
                *interpreter_words(),
                script,
                str(folder),
                str(os.getpid()),
                str(line),
            ],
            cwd=work,
            env={**environment(folder, home, conditions), **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[line],
        )
        with children.owned(process):
            process.wait()
    if children.is_cancelled():
        return None
    return ChildExit(returncode=process.returncode, output=last_lines(log), folder=str(folder))


def environment(folder: Path, home: Path, conditions: FactoryConditions) -> dict[str, str]:
    """All the environment variables of the child."""
    threads = str(conditions.threads)
    fixed = {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "HOME": str(home),
        "LC_ALL": conditions.locale,
        "MKL_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PATH": os.defpath,
        "PYTHONHASHSEED": str(conditions.hash_seed),
        "TMPDIR": str(folder / "tmp"),
        "TZ": conditions.time_zone,
    }
    ours = {name: value for name, value in os.environ.items() if name == VARIABLE}
    return {**library_paths(), **ours, **fixed, **conditions.environment}


def interpreter_words() -> list[str]:
    """The words that start Python as every factory has it."""
    return [sys.executable, "-s", "-B", *SOURCES_SPEAK, "-X", "utf8", "-X", "faulthandler"]


def last_lines(log: Path) -> str:
    """The last lines of what a child wrote to the file `log`."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _OUTPUT_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-_OUTPUT_LINES:])
