"""Import analysis of a large installed package beside torch.package's own visitor and ruff: one table."""

from __future__ import annotations

import argparse
import gc
import glob
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from table import Goal, Row, show, timed

from hermpkg_build.source import scanner
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.parallel import facts_of_files
from hermpkg_build.source.source_facts import Source

RUFF = "ruff analyze graph (all cores)"
TORCH = "torch.package's visitor, one process"
_DEEP = ".".join(["package"] * 16)
"""The name that relative imports count from; what it is makes no difference to the work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the package is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--package", default="transformers", help="an installed package (default: transformers)"
    )
    parser.add_argument("--files", type=int, default=0, help="only so many files, spread evenly over all")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the parallel row")
    options = parser.parse_args(arguments)
    gc.set_threshold(1_000_000)  # As the command line has it.
    spec = importlib.util.find_spec(options.package)
    if spec is None or not spec.submodule_search_locations:
        print(f"{options.package} is not installed: nothing to measure", file=sys.stderr)
        return 1
    folder = spec.submodule_search_locations[0]
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "**", "*.py"), recursive=True))
    if 0 < options.files < len(paths):
        paths = [paths[index * len(paths) // options.files] for index in range(options.files)]
    rows = timed(row_actions(paths, options.jobs), options.rounds)
    size = sum(map(os.path.getsize, paths)) / 1e6
    facts = [found.facts for found, _ in facts_of_files([Source(path=path) for path in paths], 1)]
    imports = sum(len(found.imports) for found in facts)
    show(f"{options.package}: {len(paths):,} modules, {size:.1f} MB, {imports:,} imports", rows, goals(rows))
    print(f"\nhermpkg reads sources {scanner.choose().told}")
    print_codec([encode(found) for found in facts])
    return 0


def row_actions(paths: Sequence[str], jobs: int) -> dict[str, Callable[[], object]]:
    """What each row does; the peer first. All read the files themselves, from a warm page cache."""
    rows: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("torch"):
        from torch.package.find_file_dependencies import find_files_source_depends_on

        def visit() -> None:
            for path in paths:
                with open(path, encoding="utf-8") as file:
                    find_files_source_depends_on(file.read(), _DEEP)

        rows[TORCH] = visit
    ruff = ruff_command()
    if ruff:
        command = [*ruff, "analyze", "graph", "--isolated", *paths]
        rows[RUFF] = lambda: subprocess.run(command, capture_output=True, check=True)
    # As a build has it: with the digest of each source, and the verdict whether it parses.
    sources = [Source(path=path) for path in paths]
    rows["hermpkg, one process"] = lambda: facts_of_files(sources, 1)
    rows[f"hermpkg, {jobs} processes"] = lambda: facts_of_files(sources, jobs)
    if scanner.choose().extension:
        rows["without hermpkg-speed, one process"] = lambda: facts_in_python(sources)
    return rows


def facts_in_python(sources: Sequence[Source]) -> None:
    """Read sources by the analysis in Python, which is the only one where hermpkg-speed is not installed."""
    os.environ[scanner.VARIABLE] = "never"
    scanner.choose.cache_clear()
    try:
        facts_of_files(sources, 1)
    finally:
        del os.environ[scanner.VARIABLE]
        scanner.choose.cache_clear()


def ruff_command() -> list[str]:
    """How to run ruff, where it can analyse imports; empty where it is not installed."""
    for command in ([os.path.join(os.path.dirname(sys.executable), "ruff")], ["ruff"]):
        try:
            subprocess.run([*command, "analyze", "graph", "--help"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return []


def goals(rows: Sequence[Row]) -> dict[str, Goal]:
    """What is to be reached: well ahead of ruff, and helpers that never cost more than they bring."""
    medians = {row.name: row.median for row in rows}
    one, *parallel = (name for name in medians if name.startswith("hermpkg"))
    found = {name: Goal(most=1.0, of=(one,)) for name in parallel}
    if RUFF in medians:
        found[min([one, *parallel], key=medians.__getitem__)] = Goal(most=0.7, of=(RUFF,))
    return found


def print_codec(encoded: Sequence[bytes]) -> None:
    """The cost of facts that are already known."""
    rows: list[Row] = timed({"decode stored facts": lambda: [decode(data) for data in encoded]}, 5)
    size = sum(map(len, encoded)) / 1e6
    print(f"\ndecoding all of it from {size:.1f} MB of stored facts: {rows[0].median * 1000:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
