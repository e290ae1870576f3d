"""Runs every benchmark beside it, one after the other: ``make bench``, or some by name: ``run.py build``.

``run.py --help`` lists them.
"""

from __future__ import annotations

import ast
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
    if not {"-h", "--help"}.isdisjoint(names):
        print("run.py [NAME]...: run these benchmarks, or all; what misses a goal is marked MISSED\n")
        for name, script in known.items():
            print(f"  {name:14} {measures(script)}")
        return 0
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


def measures(script: Path) -> str:
    """What a benchmark measures: the first paragraph of its text."""
    text = ast.get_docstring(ast.parse(script.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
