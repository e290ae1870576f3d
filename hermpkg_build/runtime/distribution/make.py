"""Makes sdists and wheels of hermpkg-runtime and hermpkg-build: ``make.py [FOLDER [NAME]]``.

The same checkout gives the same bytes, wherever and whenever. Wheels are made of the source distributions, so
that these have all that is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from split import BUILD, CHECKOUT, PACKAGE, RUNTIME

_CALL = "import sys; sys.path[:0] = sys.argv[1:2]; import {} as backend; print(backend.{}(sys.argv[2]))"
_TOOLS = f"{PACKAGE}/runtime/distribution"


def main(words: list[str]) -> int:
    """Make all four files, or the two of one distribution; return the exit code."""
    folder = Path(words[0] if words else "dist").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for distribution in words[1:] or (RUNTIME, BUILD):
            for made in make(distribution, folder):
                print(f"{made.stat().st_size:>9,}  {os.path.relpath(made)}")
    except OSError as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.output)
        return 1
    return 0


def make(distribution: str, folder: Path, checkout: Path = CHECKOUT) -> tuple[Path, Path]:
    """Make the source distribution and the wheel of one of the two. Raises CalledProcessError, OSError."""
    is_runtime = distribution == RUNTIME
    project, backend = (
        (checkout / PACKAGE / "runtime", "backend") if is_runtime else (checkout, "checkout_backend")
    )
    with tempfile.TemporaryDirectory() as unpacked:
        sdist = folder / _call(backend, "build_sdist", project, checkout / _TOOLS, folder)
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        # A source distribution of the runtime is a project of setuptools alone.
        module = "setuptools.build_meta" if is_runtime else backend
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
