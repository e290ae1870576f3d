"""Environments with one version of Python and one of torch: found, made, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import debian_python
from interpreters import interpreter_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
FOLDER = REPOSITORY / ".venv-matrix"
"""What `make matrix` makes: environments while they are needed, artifacts, logs and results."""

LIBRARIES = (
    "numpy",
    "pytest>=8.2",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "setuptools>=77",
    "networkx>=3",
)
OF_THE_ZOO = ("kornia>=0.8", "torchmetrics>=1.8")
FREE_BYTES = 30 << 30
"""What is left free on the disk: no environment is made that begins with less than this and its own size."""
SIZE_BYTES = 8 << 30

_VERSIONS = """
import importlib.metadata, json, platform
versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
print(json.dumps({"python": platform.python_version(), **versions}))
"""


class CannotMakeError(Exception):
    """An environment cannot be made on this machine: the reason in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A version of Python ("3.12"), one of torch ("2.6.0", or "newest"), and other pinned requirements."""

    python: str
    torch: str
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the table and the command line call it."""
        return f"torch-{self.torch}-python-{self.python}"

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return FOLDER / self.name

    @property
    def interpreter(self) -> Path:
        """The Python in it."""
        return self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        """What was printed while it was made and tested."""
        return FOLDER / f"{self.name}.log"

    @property
    def is_made(self) -> bool:
        """Whether everything is installed in it."""
        return self._stamp.is_file()

    @property
    def _stamp(self) -> Path:
        return self.folder / "made.stamp"

    @property
    def problem(self) -> str:
        """Why it cannot be made here and now, "" where nothing is known to be in the way."""
        if self.is_made:
            return ""
        if interpreter_of(self.python) is None and not debian_python.can_be_tried():
            return f"there is no Python {self.python} on the path or among pyenv's"
        if shutil.disk_usage(REPOSITORY).free < FREE_BYTES + SIZE_BYTES:
            return f"less than {(FREE_BYTES + SIZE_BYTES) >> 30} GiB are free on the disk"
        return ""

    def make(self) -> None:
        """Install everything, unless that is done. Raises CannotMakeError."""
        if self.is_made:
            return
        self.remove()
        if self.problem:
            raise CannotMakeError(self.problem)
        FOLDER.mkdir(exist_ok=True)
        place = FOLDER / f"debian-python-{self.python}"
        python = interpreter_of(self.python) or debian_python.make_python(self.python, place)
        if python is None:
            places = f"on the path, among pyenv's or in Debian's {debian_python.SUITE}"
            raise CannotMakeError(f"there is no Python {self.python} {places}")
        self._run([python, "-m", "venv", str(self.folder)])
        torch = "torch" if self.torch == "newest" else f"torch=={self.torch}"
        install = [str(self.interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        install += ["--no-cache-dir", "--editable", f"{REPOSITORY}[torch,sign]"]
        self._run([*install, torch, *LIBRARIES, *OF_THE_ZOO, *self.others])
        self._stamp.touch()

    def remove(self) -> None:
        """Remove what is installed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def versions(self) -> dict[str, str]:
        """The versions of what is installed, and of Python, by name."""
        done = subprocess.run([self.interpreter, "-c", _VERSIONS], capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def _run(self, command: list[str]) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            # The machine's settings of pip may hold versions back; its variables say where packages are.
            variables = {"PIP_CONFIG_FILE": os.devnull, **os.environ}
            done = subprocess.run(
                command, env=variables, stdout=log, stderr=subprocess.PIPE, text=True, check=False
            )
            log.write(done.stderr)
        if done.returncode:
            self.remove()
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip failed"]
            raise CannotMakeError(lines[-1].removeprefix("ERROR:").strip())


def environments() -> list[Environment]:
    """The table."""
    with (HERE / "environments.toml").open("rb") as file:
        entries = tomllib.load(file)["environment"]
    return [
        Environment(python=each["python"], torch=each["torch"], others=tuple(each["with"]))
        for each in entries
    ]
