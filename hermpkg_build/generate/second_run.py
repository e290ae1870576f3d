"""Runs a command that packs once more, in a process with another hash seed, and compares the two files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from hermpkg_build.errors import ActionError

_SEEDS = ("1", "2")
_LINES = 12


def packed_again(words: Sequence[str], path: str) -> list[str]:
    """How the file of ``hermpkg pack WORDS`` in another process differs from `path`; [] for not at all.

    `words` name no file to write. Raises ActionError where the command fails there.
    """
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.inspection.diff.compare import compare_archives
    from hermpkg_build.inspection.diff.report import comparison_lines

    seed = next(seed for seed in _SEEDS if seed != os.environ.get("PYTHONHASHSEED"))
    with tempfile.TemporaryDirectory(prefix="hermpkg-again-") as folder:
        other = os.path.join(folder, "again.pt")
        done = subprocess.run(
            [sys.executable, "-m", "hermpkg_build", "pack", *words, "-o", other],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise ActionError(
                "the model was packed once and cannot be packed again in another process",
                snippet="\n".join(done.stderr.rstrip().splitlines()[-_LINES:]),
                next_step="run the same command again: what its first run left behind changes the second",
            )
        with ArchiveReader(path) as one, ArchiveReader(other) as two:
            comparison = compare_archives(one, two)
        return [] if comparison.equal else [*comparison_lines(comparison)]
