"""Makes sdists and wheels of hermpkg-runtime and hermpkg-build: ``make.py [FOLDER [NAME]]``.

The same checkout gives the same bytes, wherever and whenever. Wheels are made of the source distributions, so
that these have all that is needed.
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from split import BUILD, CHECKOUT, RUNTIME, SplitError, write_project

_NO_TIME = 315532800
"""The first time that a ZIP can hold: 1980."""

_CALL = "import setuptools.build_meta as backend, sys; print(getattr(backend, sys.argv[1])(sys.argv[2]))"


def main(words: list[str]) -> int:
    """Make all four files, or the two of one distribution; return the exit code."""
    folder = Path(words[0] if words else "dist").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for distribution in words[1:] or (RUNTIME, BUILD):
            for made in make(distribution, folder):
                print(f"{made.stat().st_size:>9,}  {os.path.relpath(made)}")
    except (SplitError, OSError) as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.output)
        return 1
    return 0


def make(distribution: str, folder: Path, checkout: Path = CHECKOUT) -> tuple[Path, Path]:
    """Make the source distribution and the wheel of one of the two. Raises SplitError, CalledProcessError."""
    with tempfile.TemporaryDirectory() as place:
        project, unpacked = Path(place, "project"), Path(place, "unpacked")
        project.mkdir()
        write_project(distribution, project, checkout)
        sdist = _made_by_setuptools("build_sdist", project, folder)
        _normalise(sdist)
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = unpacked.iterdir()
        return sdist, _made_by_setuptools("build_wheel", source, folder)


def _made_by_setuptools(hook: str, project: Path, folder: Path) -> Path:
    environ = {
        **os.environ,
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", str(_NO_TIME)),
        "PYTHONSAFEPATH": "1",
    }
    completed = subprocess.run(
        [sys.executable, "-c", f"import os; os.umask(0o022); {_CALL}", hook, str(folder)],
        cwd=project,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return folder / completed.stdout.splitlines()[-1]


def _normalise(sdist: Path) -> None:
    """Write an archive anew: entries by name, no times, owners and modes of whoever made it."""
    time = int(os.environ.get("SOURCE_DATE_EPOCH", _NO_TIME))
    written = io.BytesIO()
    with (
        tarfile.open(sdist) as source,
        gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=time) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda each: each.name):
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, time
            entry.mode = 0o755 if member.isdir() else 0o644
            target.addfile(entry, source.extractfile(member))
    sdist.write_bytes(written.getvalue())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
