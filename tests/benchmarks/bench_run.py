"""Starting a program of an artifact in an environment that is kept, beside bare Python and bare imports."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from table import Goal, show, timed

from hermpkg_build import PackageExporter

OPEN = "import sys; from hermpkg_build import PackageImporter; PackageImporter(sys.argv[1])"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is timed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench run ") as folder:
        artifact = os.path.join(folder, "greet.pt")
        with PackageExporter(artifact) as exporter:
            exporter.save_source_string("greet.__main__", "import sys\nsys.exit(0)\n")
        environment = {**os.environ, "HERMPKG_CACHE_DIR": os.path.join(folder, "cache")}
        commands = {
            "python -c pass": (sys.executable, "-c", "pass"),
            "PackageImporter(file)": (sys.executable, "-c", OPEN, artifact),
            "hermpkg run --here": (sys.executable, "-m", "hermpkg_build", "run", "--here", artifact),
            "hermpkg run, kept environment": (sys.executable, "-m", "hermpkg_build", "run", artifact),
        }

        def call(words: Sequence[str]) -> None:
            subprocess.run(words, check=True, capture_output=True, env=environment)

        for words in commands.values():
            call(words)
        rows = {name: lambda words=words: call(words) for name, words in commands.items()}
        goal = Goal(most=2.5, of=("PackageImporter(file)",))
        ours = ("hermpkg run --here", "hermpkg run, kept environment")
        show("start", timed(rows, options.rounds), dict.fromkeys(ours, goal))
    return 0


if __name__ == "__main__":
    sys.exit(main())
