"""Packs models of many libraries with one line each, and tells which of them do elsewhere what they do here.

    python tests/zoo/pack.py [--jobs N] [--keep FOLDER] [LIBRARY...]

Each function of `models` is a library. ``pack(model, file, example=example)`` opens the file where the
library cannot be imported and compares the outputs. Ends with 1 where fewer than 95 of 100 pack.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ZOO = Path(__file__).resolve().parent
TIMEOUT_S = 600
GOAL = 0.95
_SHOWN = 150


def models() -> dict[str, str]:
    """The module of each library's function, in the order of the files."""
    return {
        node.name: file.stem
        for file in sorted((ZOO / "models").glob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack each model in a process of its own, and print its row."""
    known = models()
    parser = argparse.ArgumentParser(description="Packs models of many libraries with one line each.")
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help=f"of {', '.join(known)}")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--keep", type=Path, help="write artifacts and reports into this folder")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.libraries) - set(known))
    if unknown:
        parser.error(f"no library {', '.join(unknown)}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="hermpkg zoo ") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{'library':<26} {'MB':>6} {'pack s':>6}  {'packed':<5}  what of it, or why not", flush=True)
        with ThreadPoolExecutor(options.jobs) as pool:
            chosen = options.libraries or list(known)
            outcomes = []
            for name, facts in zip(
                chosen, pool.map(lambda each: pack_one(each, known[each], folder), chosen), strict=True
            ):
                print(row(name, facts), flush=True)
                outcomes.append("error" not in facts)
    print(f"packed {sum(outcomes)} of {len(outcomes)}")
    return 0 if sum(outcomes) >= GOAL * len(outcomes) else 1


def pack_one(library: str, module: str, folder: Path) -> dict[str, Any]:
    """Pack one model in a process of its own: its facts, with "error" where it was not packed."""
    result = folder / f"{library}.json"
    result.unlink(missing_ok=True)
    artifact = folder / f"{library}.pt"
    with (folder / f"{library}.log").open("wb") as log:
        try:
            subprocess.run(
                [sys.executable, __file__, "--one", module, library, str(artifact), str(result)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"no end within {TIMEOUT_S} s"}
    if not result.exists():
        return {"error": "the process died"}
    facts: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return facts


def one(module: str, library: str, artifact: str, result: str) -> None:
    """What the process of one model does; its facts go to the file `result`."""
    import importlib

    import torch

    from hermpkg_build import pack

    torch.manual_seed(0)
    torch.set_num_threads(1)
    sys.path.insert(0, str(ZOO))
    made = getattr(importlib.import_module(f"models.{module}"), library)
    stage = "make"
    try:
        model, example = made()
        stage = "pack"
        started = time.perf_counter()
        report = pack(model, artifact, example=example)
        facts: dict[str, Any] = {**report.to_json(), "seconds": time.perf_counter() - started}
        print(report)
    except Exception as error:
        text = " ".join(str(error).split())
        facts = {"error": f"{stage}: {type(error).__name__}: {text}"}
        Path(result).write_text(json.dumps(facts), encoding="utf-8")
        raise
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


def row(name: str, facts: dict[str, Any]) -> str:
    """One line of the table."""
    if "error" in facts:
        return f"{name:<26} {'':>6} {'':>6}  NO     {facts['error'][:_SHOWN]}"
    packed = [each["name"] for each in facts["decisions"] if each["policy"] == "intern"]
    tried = "".join(f"; {note}" for note in facts.get("notes", ()) if "was tried" in note)
    return (
        f"{name:<26} {facts['bytes'] / 1e6:>6.1f} {facts['seconds']:>6.1f}  yes    {', '.join(packed)}{tried}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        sys.exit(main())
