"""Writes artifacts of all subjects in the environment that runs it, or reads those that others have written.

    crossing.py write FOLDER            written.json says what is in the artifacts
    crossing.py read RESULT FOLDER...   a line of JSON for each artifact and each importer

Where a read ends the process, the next run with the same RESULT notes it and goes on after it.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILT = (
    "a packed class",
    "tied weights",
    "a transformer",
    "tensors of old types",
    "collections",
    "paths",
)
"""The subjects that are built, too: a factory's process each takes seconds."""

_BUILD = """
load("@hermpkg//rules:defs.bzl", "extern", "intern", "model", "model_package", "python_modules")

python_modules(name = "modules", srcs = glob(["*.py"]))

[
    model(
        name = "model" + str(number),
        factory = "subjects:made",
        args = {{"name": name}},
        deps = [":modules"],
    )
    for number, name in enumerate({names})
]

[
    model_package(
        name = "built" + str(number),
        models = {{"model/model.pkl": ":model" + str(number)}},
        policy = [intern("crossed_code", allow_empty = True), extern("**", allow_empty = True)],
        python_version = "3.11",
        deps = [":modules"],
    )
    for number in range({count})
]
"""


def main() -> None:
    """Write or read."""
    warnings.simplefilter("ignore")
    command, *words = sys.argv[1:]
    paths = [Path(word).resolve() for word in words]
    if command == "write":
        write(paths[0])
    else:
        read(paths[0], paths[1:])


def write(folder: Path) -> None:
    """Write an artifact of each subject in each way, and `written.json` about them."""
    import subjects
    import torch.package

    import hermpkg_build

    torch.package.package_exporter._gate_torchscript_serialization = False
    folder.mkdir(parents=True, exist_ok=True)
    ways: dict[str, Any] = {}
    for way, exporter in (
        ("ours", hermpkg_build.PackageExporter),
        ("stock", torch.package.PackageExporter),
    ):
        ways[way] = {
            name: _written(
                folder / f"{way} {number}.pt", lambda path, e=exporter, n=name: _export(e, path, n)
            )
            for number, name in enumerate(subjects.SUBJECTS)
        }
    ways["built"] = _build(folder)
    for written in ways.values():
        for name, entry in written.items():
            if "error" not in entry:
                entry["facts"] = subjects.SUBJECTS[name].look(subjects.made(name))
    (folder / "written.json").write_text(json.dumps(ways, indent=1), encoding="utf-8")


def _export(exporter_class: Any, path: Path, name: str) -> None:
    import subjects

    with exporter_class(str(path)) as exporter:
        exporter.intern("crossed_code")
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", subjects.made(name))


def _written(path: Path, make: Callable[[Path], object]) -> dict[str, Any]:
    try:
        make(path)
    except Exception as error:
        path.unlink(missing_ok=True)
        return {"error": short(error)}
    with zipfile.ZipFile(path) as archive:
        records = {
            name.partition("/")[2]: hashlib.sha256(archive.read(name)).hexdigest()[:16]
            for name in archive.namelist()
        }
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"file": path.name, "sha256": sha256, "records": records}


def _build(folder: Path) -> dict[str, Any]:
    """Build a workspace of the subjects `BUILT`."""
    root = folder / "workspace"
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n", encoding="utf-8")
    (root / "BUILD").write_text(_BUILD.format(names=json.dumps(BUILT), count=len(BUILT)), encoding="utf-8")
    for name in ("subjects.py", "crossed_code.py"):
        (root / name).write_bytes((HERE / name).read_bytes())
    command = [sys.executable, "-m", "hermpkg_build", "--cache-dir", str(folder / "cache"), "build", "-k"]
    done = subprocess.run([*command, "//..."], cwd=root, capture_output=True, text=True, check=False)
    (folder / "build.log").write_text(done.stdout + done.stderr, encoding="utf-8")

    def taken(number: int) -> Callable[[Path], object]:
        return lambda path: path.write_bytes((root / f"hermpkg-out/built{number}.pt").read_bytes())

    return {name: _written(folder / f"built {number}.pt", taken(number)) for number, name in enumerate(BUILT)}


def read(result: Path, folders: list[Path]) -> None:
    """Read each artifact with each importer; what was read before is not read again."""
    import torch.package

    import hermpkg_build

    sys.path.insert(0, str(HERE))
    import subjects

    # What is packed must come from the package.
    for path in (str(HERE), ""):
        while path in sys.path:
            sys.path.remove(path)
    del sys.modules["crossed_code"]
    importers = {"ours": hermpkg_build.PackageImporter, "stock": torch.package.PackageImporter}
    done = _noted(result)
    for folder in folders:
        for way, name, entry in _entries(folder):
            for importer, opened in importers.items():
                key = [folder.name, way, importer, name]
                if tuple(key) in done:
                    continue
                _note(result, [*key, "the process died"])
                subject = subjects.SUBJECTS.get(name)
                outcome = "not here" if subject is None else _outcome(opened, folder, entry, subject.look)
                _note(result, [*key, outcome])


def _entries(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    written = json.loads((folder / "written.json").read_text(encoding="utf-8"))
    for way, entries in written.items():
        for name, entry in entries.items():
            if "error" not in entry:
                yield way, name, entry


def _outcome(opened: Any, folder: Path, entry: dict[str, Any], look: Callable[[Any], Any]) -> str:
    try:
        found = look(opened(str(folder / entry["file"])).load_pickle("model", "model.pkl"))
    except Exception as error:
        return short(error)
    return "same" if same(entry["facts"], json.loads(json.dumps(found))) else f"differs: {found!r:.200}"


def same(left: Any, right: Any) -> bool:
    """Whether facts are the same, but for the last digits of numbers that are computed."""
    if isinstance(left, float) and isinstance(right, (int, float)):
        return left == right or math.isclose(left, right, rel_tol=1e-4, abs_tol=1e-5)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def _noted(result: Path) -> dict[tuple[str, ...], str]:
    if not result.exists():
        return {}
    lines = (json.loads(line) for line in result.read_text(encoding="utf-8").splitlines())
    return {tuple(line[:4]): line[4] for line in lines}


def _note(result: Path, line: list[str]) -> None:
    with result.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def short(error: Exception) -> str:
    """The type and the first words of an error."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


if __name__ == "__main__":
    main()
