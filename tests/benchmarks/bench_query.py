"""``hermpkg query`` of whole workspaces, cold and warm, beside loading and analysis of their first build."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

RULES = 'load("@hermpkg//rules:defs.bzl", "intern", "model_package", "python_modules")\n'
IN_PACKAGE = 100
IMPORTS = 5
ROUNDS = 3
MOST_TIMES = {"query, cold": 1.5, "query --modules, cold": 1.5}
"""Goals in times of the first build."""
MOST_SECONDS = dict.fromkeys(["query, warm", "query --modules, warm", "query --modules, another"], 0.5)

# What a build does before it makes anything: BUILD files are loaded, all imports followed.
FIRST_BUILD = """
import os, sys
from hermpkg_build.core.label import Label
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.engine.targets.artifact_contents import module_graph
from hermpkg_build.loading.workspace import find_workspace

request = BuildRequest(patterns=("//...",), directory=os.getcwd(), jobs=os.cpu_count())
with open_build(find_workspace("."), request, sys.argv[1], BuildObserver()) as build:
    graph = module_graph(build.context, build.context.targets[Label.parse("//:all_of_it")], {})
print(len(graph.nodes))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Time queries of workspaces of each size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    for count in parser.parse_args(arguments).modules:
        with tempfile.TemporaryDirectory(prefix="bench query ") as folder:
            root = Path(folder, "workspace")
            write_workspace(root, count)
            time.sleep(2.5)  # Files that have only just been written are looked at again.
            _print(count, _seconds(root, Path(folder, "cache")))
    return 0


def write_workspace(root: Path, count: int) -> None:
    """Write a workspace of `count` modules in packages of a hundred, each of which imports a few others."""
    chance = random.Random(count)
    packages = max(1, count // IN_PACKAGE)
    root.mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n")
    for package in range(packages):
        folder = root / f"area{package // 50}" / f"package{package}"
        folder.mkdir(parents=True)
        near = sorted({chance.randrange(package) for _ in range(2)}) if package else []
        (folder / "BUILD").write_text(
            f"{RULES}\n"
            "python_modules(\n"
            '    name = "modules",\n'
            '    srcs = glob(["*.py"]),\n'
            f"    deps = {[f'//{_folder(other)}:modules' for other in near]!r},\n"
            '    visibility = ["//visibility:public"],\n'
            ")\n".replace("'", '"')
        )
        for number in range(IN_PACKAGE):
            (folder / f"module{number}.py").write_text(_source(chance, package, near))
    deps = [f"//{_folder(package)}:modules" for package in range(packages)]
    roots = [
        f"{_folder(package)}.module{n}".replace("/", ".") for package in range(packages) for n in range(100)
    ]
    (root / "BUILD").write_text(
        f"{RULES}\nmodel_package(\n"
        f'    name = "all_of_it",\n    modules = {roots!r},\n'
        f'    policy = [intern("**")],\n    deps = {deps!r},\n)\n'
    )


def _folder(package: int) -> str:
    return f"area{package // 50}/package{package}"


def _source(chance: random.Random, package: int, near: Sequence[int]) -> str:
    lines = ["import json", "import os", ""]
    for _ in range(IMPORTS):
        other = chance.choice([package, package, *near])
        place = _folder(other).replace("/", ".")
        lines.append(f"from {place} import module{chance.randrange(IN_PACKAGE)}")
    lines += ["", "", "def compute(values):", "    return [value + 1 for value in values]", ""]
    return "\n".join(lines)


def _seconds(root: Path, cache: Path) -> dict[str, tuple[float, float]]:
    python, name = sys.executable, "deps(//...)"
    query = [python, "-m", "hermpkg_build", "--cache-dir", str(cache), "query", name]
    build = [python, "-c", FIRST_BUILD, str(cache)]
    found: dict[str, tuple[float, float]] = {}
    for title, words in {
        "first build: loading and analysis": build,
        "query": query,
        "query --modules": [*query, "--modules"],
    }.items():
        shutil.rmtree(root / "hermpkg-out", ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)
        if words is build:
            found[title] = _run(words, root)
            continue
        found[f"{title}, cold"] = _run(words, root)
        _run(words, root)  # It keeps the answer, which a query for which sources were read does not.
        found[f"{title}, warm"] = min(_run(words, root) for _ in range(ROUNDS))
        others = [
            [each.replace(name, f"{name} + set({' ' * n}//:BUILD)") for each in words] for n in range(ROUNDS)
        ]
        found[f"{title}, another"] = min(_run(other, root) for other in others)
        found[f"{title}, one module edited"] = _edited(words, root, "module1.py")
        found[f"{title}, one module added"] = _edited(words, root, "module_new.py")
    return found


def _edited(words: Sequence[str], root: Path, file: str) -> tuple[float, float]:
    with (root / "area0" / "package0" / file).open("a") as source:
        source.write("import csv\n")
    return _run(words, root)


def _run(words: Sequence[str], root: Path) -> tuple[float, float]:
    """Return the seconds that a command takes, and those of processors, which a busy machine leaves alike."""
    before, started = os.times(), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(words, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, spent


def _print(count: int, seconds: dict[str, tuple[float, float]]) -> None:
    first = seconds["first build: loading and analysis"]
    print(f"{count:,} modules")
    print(f"{'':<40}{'seconds':>9}{'x build':>9}{'processor':>11}{'x build':>9}  goal")
    for title, (wall, spent) in seconds.items():
        ratios = wall / first[0], spent / first[1]
        goal = _told(title, wall, ratios[1])
        print(f"{title:<40}{wall:>9.2f}{ratios[0]:>9.2f}{spent:>11.2f}{ratios[1]:>9.2f}  {goal}")
    print()


def _told(title: str, seconds: float, times: float) -> str:
    """Return the goal of a row, in times of the processor or in seconds, and whether it was missed."""
    for most, found, unit in ((MOST_TIMES, times, "x"), (MOST_SECONDS, seconds, "s")):
        if title in most:
            return f"{most[title]} {unit}{'   MISSED' if found > most[title] else ''}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
