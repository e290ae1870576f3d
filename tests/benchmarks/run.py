"""Runs every benchmark beside it, one after the other: ``make bench``, or some by name: ``run.py build``."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = FOLDER.parents[1] / "hermpkg_build"


def main(names: list[str]) -> int:
    """Run ``bench_<name>.py`` for each name, or all; the number of those that failed."""
    scripts = sorted(FOLDER.glob("bench_*.py"))
    known = {script.stem.removeprefix("bench_"): script for script in scripts}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    # As for users, whom an installer gives bytecode: nothing is compiled while it is measured.
    compileall.compile_dir(PACKAGE, quiet=2)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    failed = 0
    for name in names or known:
        print(f"== {name}", flush=True)
        command = [sys.executable, str(known[name])]
        failed += subprocess.run(command, env=environment, check=False).returncode != 0
        print()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
