"""Makes the source distributions and wheels of all distributions: ``make.py [FOLDER [NAME...]]``.

A wheel of hermpkg-speed, for which a C compiler is needed, is made where that is named.
The same checkout gives the same bytes, wherever and whenever. Wheels are made of the source distributions, so
that these have all that is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from speed import FOLDER as SPEED_FOLDER
from split import BUILD, CHECKOUT, PACKAGE, RUNTIME, SPEED

_CALL = "import sys; sys.path[:0] = sys.argv[1:2]; import {} as backend; print(backend.{}(sys.argv[2]))"
_TOOLS = f"{PACKAGE}/runtime/distribution"
_PROJECTS = {
    RUNTIME: (f"{PACKAGE}/runtime", "backend"),
    BUILD: ("", "checkout_backend"),
    SPEED: (SPEED_FOLDER, "speed_backend"),
}
"""The folder of each, relative to the checkout, and the module that makes its source distribution."""


def main(words: list[str]) -> int:
    """Make the files of all distributions, or of those that are named; return the exit code."""
    folder = Path(words[0] if words else "dist").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for made in _make_all(folder, words[1:]):
            print(f"{made.stat().st_size:>9,}  {os.path.relpath(made)}")
    except OSError as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.output)
        return 1
    return 0


def _make_all(folder: Path, named: list[str]) -> Iterator[Path]:
    for distribution in named or (RUNTIME, BUILD):
        yield from make(distribution, folder)
    if not named:
        yield make_sdist(SPEED, folder)


def make_sdist(distribution: str, folder: Path, checkout: Path = CHECKOUT) -> Path:
    """Make a source distribution. Raises CalledProcessError, OSError."""
    project, backend = _PROJECTS[distribution]
    return folder / _call(backend, "build_sdist", checkout / project, checkout / _TOOLS, folder)


def make(distribution: str, folder: Path, checkout: Path = CHECKOUT) -> tuple[Path, Path]:
    """Make a source distribution and a wheel of that. Raises CalledProcessError, OSError."""
    _, backend = _PROJECTS[distribution]
    with tempfile.TemporaryDirectory() as unpacked:
        sdist = make_sdist(distribution, folder, checkout)
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        # All other source distributions are projects of setuptools alone.
        module = backend if distribution == BUILD else "setuptools.build_meta"
        return sdist, folder / _call(module, "build_wheel", source, source / _TOOLS, folder)


def _call(backend: str, hook: str, project: Path, tools: Path, folder: Path) -> str:
    """Call a hook of a build backend in a project, as frontends do; return the name of the file."""
    completed = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os; os.umask(0o022); {_CALL.format(backend, hook)}",
            str(tools),
            str(folder),
        ],
        cwd=project,
        env={"SOURCE_DATE_EPOCH": "315532800", **os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return completed.stdout.splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
