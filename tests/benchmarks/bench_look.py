"""Pages of `hermpkg look`: how long they take to make, and to answer a click, with the goal beside it."""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from hermpkg_build.archive.writer import Record, write_archive

TESTS = Path(__file__).resolve().parents[1]
GOAL_MS = 100
_TIMED = """(async (act) => {
  const times = [];
  for (let i = 0; i < 7; i++) {
    const start = performance.now();
    act(i);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
  }
  return times;
})"""
_ROWS = "document.querySelectorAll('#list tbody tr')"
CLICKS = {
    "bytes: a folder of the map": (
        "1",
        f"(i) => (i % 2 ? document.querySelector('#crumbs .link') : {_ROWS}[0]).click()",
    ),
    "modules: unfold a package": ("2", f"(i) => {_ROWS}[3 + i].click()"),
    "modules: why a module is there": (
        "2",
        "(i) => [...document.querySelectorAll('#details .link')].pop()?.click()",
    ),
    "must be installed: a distribution": ("3", f"(i) => {_ROWS}[i % 2].click()"),
    "tensors: one of them": ("4", f"(i) => {_ROWS}[i].click()"),
    "tensors: sort by another column": (
        "4",
        "(i) => document.querySelectorAll('#list th button')[i % 3].click()",
    ),
    "search": (
        "1",
        """(i) => {
          const field = document.querySelector('#search');
          field.value = `m1${i}`;
          field.dispatchEvent(new Event('input'));
        }""",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=20_000)
    parser.add_argument("--tensors", type=int, default=10_000)
    options = parser.parse_args(arguments)
    chromium = loaded("driven_browser", TESTS / "browser" / "browser.py")
    with tempfile.TemporaryDirectory(prefix="hermpkg-bench-") as temporary:
        folder = Path(temporary)
        make_artifact(folder / "large.pt", options.modules, options.tensors)
        print(f"{options.modules:,} modules, {options.tensors:,} tensors\n")
        for command in (["inspect", "large.pt"], ["look", "large.pt", "--no-open", "-o", "page.html"]):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "hermpkg_build", *command],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            print(f"hermpkg {command[0]:28} {time.perf_counter() - start:8.2f} s")
        print(f"{'the page':36} {(folder / 'page.html').stat().st_size / 1e6:8.1f} MB")
        if chromium.COMMAND is None:
            print("no Chromium: sh tests/browser/install.sh", file=sys.stderr)
            return 1
        browser = chromium.Browser(folder / "profile")
        try:
            page = browser.open((folder / "page.html").as_uri())
            print(f"{'opened in':36} {page.run('performance.now()'):8.0f} ms\n")
            print(f"{'a click':36} {'median':>11} {'worst':>11}   goal")
            for name, (key, action) in CLICKS.items():
                page.press(key)
                times = page.run(f"{_TIMED}({action})")
                median = statistics.median(times)
                missed = "   MISSED" if median > GOAL_MS else ""
                print(f"{name:36} {median:8.0f} ms {max(times):8.0f} ms   {GOAL_MS} ms{missed}")
        finally:
            browser.close()
    return 0


def make_artifact(path: Path, modules: int, tensors: int) -> None:
    """Write an archive of packages whose modules import each other, and a model of nested layers."""
    by_hand = loaded("made_by_hand", TESTS / "unit" / "inspection" / "conftest.py")
    choose = random.Random(1)
    names = [f"lib{i % 20}.pkg{i % 200}.sub{i % 1000}.m{i}" for i in range(modules)]
    records = {".data/version": b"6\n", ".data/extern_modules": b"torch\nnumpy\n"}
    for number, name in enumerate(names):
        imports = [choose.choice(names) for _ in range(8)] + ["torch", "numpy"] * (number % 7 == 0)
        lines = "".join(f"import {other}\n" for other in imports) + "x = 1\n" * choose.randrange(50)
        records[name.replace(".", "/") + ".py"] = lines.encode()
    layers = {}
    for number in range(tensors):
        size = choose.randrange(1, 60)
        records[f".data/{number}.storage"] = bytes(16 * size)
        layers[f"layer{number // 100}.{number // 10 % 10}.w{number % 10}"] = by_hand.tensor(number, (size, 4))
    records["model/model.pkl"] = by_hand.module(layers)
    content = [Record(name=name, content=data) for name, data in sorted(records.items())]
    write_archive(str(path), root="large", records=content)


def loaded(name: str, path: Path) -> ModuleType:
    """The module at `path`, which is no part of a package."""
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
