"""Packs a model of each library of the zoo, loads it where the library is not, and prints a table.

    run.py [--no-stock] [--keep FOLDER] [LIBRARY ...]

Exits with 1 where one of our columns is not complete.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path
from typing import Any

ZOO = Path(__file__).resolve().parent
LIBRARIES = sorted(folder.parent.name for folder in ZOO.glob("libraries/*/BUILD"))
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one library gave. Times are seconds.

    `cold_s` and `unchanged_s` are whole runs of the command, `import_s` a process that imports what the
    factory imports. `export_s` are those of our PackageExporter in processes that have made the model:
    with no cache, and again. `load_s` are those of the build's artifact: with no compiled code in the
    cache, and again. `exported` says whether the PackageExporter's artifact gives equal outputs too,
    `stock` is torch.package's result, and `problems` are the errors of our own steps.
    """

    library: str
    version: str
    modules: int = 0
    size: int = 0
    cold_s: float = 0.0
    import_s: float = 0.0
    unchanged_s: float = 0.0
    export_s: tuple[float, ...] = ()
    load_s: tuple[float, ...] = ()
    built: bool = False
    loaded: bool = False
    equal: bool = False
    identical: bool = False
    exported: bool = False
    stock: str = ""
    problems: tuple[str, ...] = field(default=())

    @property
    def is_complete(self) -> bool:
        """Whether everything of ours worked."""
        return self.built and self.loaded and self.equal and self.identical and self.exported


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each library in turn and print its row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help=f"of {', '.join(LIBRARIES)}")
    parser.add_argument("--no-stock", action="store_true", help="leave out torch.package")
    parser.add_argument("--keep", type=Path, help="write caches, artifacts and logs into this folder")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.libraries) - set(LIBRARIES))
    if unknown:
        parser.error(f"no library {', '.join(unknown)}; there are {', '.join(LIBRARIES)}")
    with tempfile.TemporaryDirectory(prefix="hermpkg zoo ") as temporary:
        folder = options.keep or Path(temporary)
        print(_HEADER, flush=True)
        outcomes = []
        for library in options.libraries or LIBRARIES:
            outcome = measure(library, folder / library, stock=not options.no_stock, measures_times=True)
            print(_row(outcome), flush=True)
            outcomes.append(outcome)
    print(_summary(outcomes))
    for outcome in outcomes:
        for problem in outcome.problems:
            print(f"{outcome.library}: {problem}", file=sys.stderr)
    return 0 if all(outcome.is_complete for outcome in outcomes) else 1


def measure(library: str, folder: Path, *, stock: bool, measures_times: bool) -> Outcome:
    """Everything about one library; what it leaves behind lies in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)  # Of an earlier run: nothing may be in a cache yet.
    folder.mkdir(parents=True)
    problems: list[str] = []

    def step(name: str, artifact: Path | None = None) -> dict[str, Any]:
        return _probe(name, library, folder, artifact)

    def steps(name: str, artifact: Path) -> list[dict[str, Any]]:
        """A step as it is the first time, and where times are measured as it is after that."""
        facts = [ours(name, step(name, artifact))]
        if measures_times and "error" not in facts[0]:
            facts.append(ours(name, step(name, artifact)))
        return facts

    def ours(what: str, facts: dict[str, Any]) -> dict[str, Any]:
        if "error" in facts:
            problems.append(f"{what}: {facts['error']}")
        return facts

    artifact, again = folder / f"{library}.pt", folder / "another name.zip"
    ours("original", step("original"))
    cold = ours("build", _build(library, artifact, folder / "cache", "1"))
    unchanged = _build(library, artifact, folder / "cache", "1")
    other = ours("second build", _build(library, again, folder / "cache of another build", "2"))
    loads = steps("packaged", artifact) if "error" not in cold else []
    exports = steps("export", folder / "exported.pt")
    exported = step("exported", folder / "exported.pt") if "error" not in exports[0] else {}
    ours("load of the export", exported)
    manifest = _manifest(artifact) if "error" not in cold else {}
    if any(load.get("equal") is False for load in loads):
        problems.append("load: the outputs differ from the original's")
    identical = "error" not in cold and cold.get("sha256") == other.get("sha256")
    return Outcome(
        library=library,
        version=_version(library),
        modules=sum(module["policy"] == "intern" for module in manifest.get("modules", {}).values()),
        size=artifact.stat().st_size if artifact.exists() else 0,
        cold_s=cold["seconds"],
        import_s=step("import")["process_s"] if measures_times else 0.0,
        unchanged_s=unchanged["seconds"],
        export_s=_seconds(exports),
        load_s=_seconds(loads),
        built="error" not in cold,
        loaded=bool(loads) and all("seconds" in load for load in loads),
        equal=bool(loads) and all(load.get("equal") for load in loads),
        identical=identical and artifact.read_bytes() == again.read_bytes(),
        exported=all("error" not in export for export in exports) and bool(exported.get("equal")),
        stock=_stock(step, folder) if stock else "not tried",
        problems=tuple(problems),
    )


def _seconds(facts: Sequence[dict[str, Any]]) -> tuple[float, ...]:
    return tuple(fact["seconds"] for fact in facts if "seconds" in fact)


def _build(library: str, out: Path, cache: Path, hash_seed: str) -> dict[str, Any]:
    """One run of the command, as a whole process."""
    command = [sys.executable, "-m", "hermpkg_build", "--json", "build", f"//libraries/{library}:{library}"]
    environment = {
        **os.environ,
        "HERMPKG_CACHE_DIR": str(cache),
        "HERMPKG_WARM_PROCESS": "never",
        "PYTHONHASHSEED": hash_seed,
    }
    started = time.perf_counter()
    process = subprocess.run(
        [*command, "--out", str(out)], cwd=ZOO, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if process.returncode:
        return {"seconds": seconds, "error": process.stderr.strip()}
    (target,) = json.loads(process.stdout)["targets"]
    return {"seconds": seconds, "sha256": target["sha256"]}


def _probe(step: str, library: str, folder: Path, artifact: Path | None) -> dict[str, Any]:
    """A step of probe.py: its facts, or {"error": ...}."""
    result = folder / f"{step}.json"
    result.unlink(missing_ok=True)
    words = [step, str(ZOO / "libraries" / library), str(result), *([str(artifact)] if artifact else [])]
    cache = folder / f"cache of {step}"
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": "", "HERMPKG_CACHE_DIR": str(cache)}
    options: list[str] = []
    if step in ("packaged", "exported", "stock-load"):
        environment["PYTHONPATH"] = _environment_without(library, folder / "site-packages")
        options = ["-S"]
    started = time.perf_counter()
    with (folder / f"{step}.log").open("wb") as log:
        try:
            subprocess.run(
                [sys.executable, *options, str(ZOO / "probe.py"), *words],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"no end within {TIMEOUT_S} s"}
    if not result.exists():
        return {"error": "the process died"}
    process_s = time.perf_counter() - started
    facts: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return {**facts, "process_s": process_s}


def _environment_without(library: str, folder: Path) -> str:
    """A search path with everything that is installed here but the distributions of `library`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    hidden = {library}
    for name in packages_distributions().get(library, ()):
        hidden |= {Path(str(file)).parts[0] for file in distribution(name).files or ()}
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name not in hidden:
            (folder / entry.name).symlink_to(entry)
    return os.pathsep.join([str(folder), str(ZOO.parents[1])])


def _stock(step: Any, folder: Path) -> str:
    """What torch.package does with the same library: what it packed in how many seconds, or why it failed.

    It packs what the pickled classes' modules import, without the packages that these modules lie in.
    """
    artifact = folder / "stock.pt"
    exported = step("stock-export", artifact)
    if "error" in exported:
        return f"no export: {exported['error']}"
    with zipfile.ZipFile(artifact) as archive:
        modules = sum(name.endswith(".py") for name in archive.namelist())
    packed = f"{modules} modules, export {exported['seconds']:.1f} s"
    loaded = step("stock-load", artifact)
    if "error" in loaded:
        return f"{packed}, no load: {loaded['error']}"
    what = "equal" if loaded["equal"] else "outputs differ"
    return f"{packed}, load {loaded['seconds']:.1f} s, {what}"


def _manifest(artifact: Path) -> dict[str, Any]:
    from hermpkg_build.archive.layout import MANIFEST
    from hermpkg_build.archive.reader import ArchiveReader

    with ArchiveReader(str(artifact)) as archive:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    return manifest


def _version(library: str) -> str:
    """The version of the distribution that gives the library's package."""
    owners = packages_distributions().get(library, ())
    return version(owners[0]) if owners else "?"


_HEADER = (
    f"{'library':<16} {'version':<8} {'modules':>7} {'MB':>6} {'cold s':>6} {'import':>6} {'unch.':>5} "
    f"{'export s':>8} {'again':>5} {'load s':>6} {'again':>5} "
    f"{'loads':<5} {'equal':<5} {'bytes':<5} {'exporter':<8}  stock torch.package"
)


def _row(outcome: Outcome) -> str:
    marks = [
        "yes" if mark else "NO"
        for mark in (outcome.loaded, outcome.equal, outcome.identical, outcome.exported)
    ]
    return (
        f"{outcome.library:<16} {outcome.version:<8} {outcome.modules:>7} {outcome.size / 1e6:>6.1f} "
        f"{outcome.cold_s:>6.2f} {outcome.import_s:>6.2f} {outcome.unchanged_s:>5.2f} "
        f"{_pair(outcome.export_s, 8)} {_pair(outcome.load_s, 6)} "
        f"{marks[0]:<5} {marks[1]:<5} {marks[2]:<5} {marks[3]:<8}  {_short(outcome.stock)}"
    )


def _pair(seconds: Sequence[float], width: int) -> str:
    """Seconds the first time, and again."""
    first, again = (f"{seconds[i]:.2f}" if i < len(seconds) else "-" for i in (0, 1))
    return f"{first:>{width}} {again:>5}"


def _short(text: str) -> str:
    return text if len(text) <= 110 else f"{text[:107]}..."


def _summary(outcomes: Sequence[Outcome]) -> str:
    counts = {
        "built": sum(outcome.built for outcome in outcomes),
        "load": sum(outcome.loaded for outcome in outcomes),
        "equal outputs": sum(outcome.equal for outcome in outcomes),
        "identical bytes": sum(outcome.identical for outcome in outcomes),
        "exported by calls": sum(outcome.exported for outcome in outcomes),
        "stock torch.package": sum(outcome.stock.endswith("equal") for outcome in outcomes),
    }
    return ", ".join(f"{what} {count} of {len(outcomes)}" for what, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
