"""The programs that install distributions: uv where there is one, else pip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.printable import one_line
from hermpkg_build.store.failures import FULL

_MOST_LINES = 15
_TELL_FULL = ("No space left on device", "os error 28", "Errno 28")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """A program that installs; `words` start it."""

    name: str
    words: tuple[str, ...]

    def make_environment(self, folder: str) -> None:
        """Make an empty virtual environment of the Python that runs. Raises LocalEnvironmentError."""
        if self.name == "uv":
            base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
            self._run("venv", "--quiet", "--no-project", "--python", base, folder, shown=False)
            return
        import venv

        try:
            venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        except OSError as error:
            if error.errno in FULL:
                raise _full() from error
            raise LocalEnvironmentError(
                "no environment can be made", facts=[("folder", folder), ("reason", str(error))]
            ) from error

    def install(
        self, python: str, requirements: str, options: Sequence[str], *, shown: bool, folder: str = ""
    ) -> None:
        """Install the file `requirements` for the interpreter `python`; with `folder`, from its files alone.

        Where it is `shown`, the installer prints its progress. Raises LocalEnvironmentError.
        """
        where = ["--no-index", "--find-links", folder] if folder else []
        quiet = [] if shown else ["--quiet"]
        own = ["pip", "install", "--python", python] if self.name == "uv" else ["--python", python, "install"]
        self._run(*own, *quiet, *options, *where, "-r", requirements, shown=shown)

    def ask(self, *words: str, given: str) -> str:
        """Return what the installer prints when it is given a text. Raises LocalEnvironmentError."""
        return self._run(*words, shown=False, given=given)

    def _run(self, *words: str, shown: bool, given: str = "") -> str:
        command = [*self.words, *words]
        ran = subprocess.run(
            command,
            env=_environment(os.environ),
            input=given.encode(),
            # What the program prints that is run later must be alone on standard output.
            stdout=sys.stderr.fileno() if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            check=False,
        )
        if ran.returncode == 0:
            return (ran.stdout or b"").decode("utf-8", "replace")
        said = ((ran.stderr or b"") + (ran.stdout or b"")).decode("utf-8", "replace")
        what = "install" if "install" in words else "compile" if "compile" in words else words[0]
        raise self._failed(what, ran.returncode, said)

    def _failed(self, what: str, code: int, said: str) -> LocalEnvironmentError:
        if any(mark in said for mark in _TELL_FULL):
            return _full()
        lines = [one_line(line) for line in said.splitlines() if line.strip()][-_MOST_LINES:]
        return LocalEnvironmentError(
            f"{self.name} {what} failed with exit code {code}",
            snippet="\n".join(lines),
            next_step="it asks the indexes of its own settings, for other ones: UV_INDEX=URL for uv, "
            "PIP_EXTRA_INDEX_URL=URL for pip; without an index: --find-links FOLDER",
        )


def _full() -> LocalEnvironmentError:
    return LocalEnvironmentError(
        "the disk is full: the environment is not made, and nothing of it is left",
        next_step="make room, for example with hermpkg cache gc --max-size 5GB, or choose another "
        "folder with --cache-dir DIR",
    )


def find_installer(name: str = "") -> Installer:
    """Find the installer `name`, or else uv on PATH or beside Python, or else pip.

    Raises LocalEnvironmentError where there is none.
    """
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    uv = shutil.which("uv") or (beside if os.access(beside, os.X_OK) else None)
    if uv is not None and name != "pip":
        return Installer(name="uv", words=(uv,))
    if name != "uv" and importlib.util.find_spec("pip") is not None:
        return Installer(name="pip", words=(sys.executable, "-m", "pip"))
    bundled = _bundled_pip() if name != "uv" else ""
    if bundled:
        return Installer(name="pip", words=(sys.executable, os.path.join(bundled, "pip")))
    raise LocalEnvironmentError(
        f"there is no {name or 'uv, and no pip'}, which environments are made with",
        next_step=f"install it, for example: {sys.executable} -m pip install uv, or: -m ensurepip",
    )


def _bundled_pip() -> str:
    """Return the wheel of pip that comes with Python, "" where there is none: it runs as it is."""
    spec = importlib.util.find_spec("ensurepip")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        bundled = os.path.join(folder, "_bundled")
        for name in sorted(os.listdir(bundled)) if os.path.isdir(bundled) else ():
            if name.startswith("pip-") and name.endswith(".whl"):
                return os.path.join(bundled, name)
    return ""


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an installer: indexes stay as they are set, places to install to do not."""
    misleading = (
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_USER",
        "PIP_ROOT",
    )
    kept = {name: value for name, value in environ.items() if name not in misleading}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
