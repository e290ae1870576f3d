"""What can be decided, told and done about a file of a stranger: hermpkg beside six others, in one table.

Each cell comes from a run. A tool that has no function for a row has "-" there. Scanners are installed into
environments of their own, and left out, with the reason, where they cannot be. `bench_scan`, `bench_tensors`
and `bench_sign` show more of the same.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import trust_files
from bench_scan import PEERS, Verdicts, installed, ours, theirs, torch_load
from bench_tensors import read
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from table import Row as TimedRow
from table import timed

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.cli.main import main as hermpkg
from hermpkg_build.trust.policy import TrustPolicy, TrustRule
from tests.unit.signing.keys_for_tests import Key

HERMPKG, TORCH, SAFETENSORS, SIGNING = "hermpkg", "torch.load", "safetensors", "model-signing"
COLUMNS = (HERMPKG, TORCH, SAFETENSORS, *PEERS, SIGNING)
NONE = "-"
Opener = Callable[[Path], Callable[[], torch.Tensor]]
"""Opens a file, and returns what reads a tensor of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a question, what is good, and each tool's answer."""

    what: str
    good: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the tools work: a folder, the Pythons of the scanners, and how large and how often."""

    folder: Path
    pythons: Mapping[str, Path]
    mib: int
    rounds: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask all tools, and print the table; 1 where hermpkg's answer is not the good one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256, help="size of what is signed, and of large tensors")
    parser.add_argument("--rounds", type=int, default=3, help="how often each speed is taken")
    parser.add_argument("--no-scanners", action="store_true", help="install no scanners, and leave them out")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="bench trust ") as temporary:
        folder = Path(temporary)
        pythons = {} if options.no_scanners else installed(folder / "environments")
        bench = Bench(folder=folder, pythons=pythons, mib=options.mib, rounds=options.rounds)
        rows = [row for rows in SECTIONS for row in rows(bench)]
    show(rows)
    wrong = [row for row in rows if row.good and row.cells[HERMPKG] != row.good]
    for row in wrong:
        print(f"hermpkg: {row.what}: {row.cells[HERMPKG]}, not {row.good}", file=sys.stderr)
    return 1 if wrong else 0


def show(rows: Sequence[Row]) -> None:
    """Print the table; the column `good` has the goals."""
    columns = [name for name in COLUMNS if any(row.cells.get(name) for row in rows)]
    width = max(len(row.what) for row in rows)
    print(f"\n{'':{width}}  {'good':>9}" + "".join(f" {name:>13}" for name in columns))
    for row in rows:
        cells = "".join(f" {row.cells.get(name) or NONE:>13}" for name in columns)
        missed = "   MISSED" if row.good and row.cells[HERMPKG] != row.good else ""
        print(f"{row.what:{width}}  {row.good:>9}{cells}{missed}")
    print(
        f"\n{TORCH} is torch.load(weights_only=True) of torch {torch.__version__}; "
        "-: the tool has no such function"
    )


def scans(bench: Bench) -> Iterator[Row]:
    """What is malicious, what is harmless, and what is neither in the pickles but in packed code."""
    groups = {
        "malicious pickles": trust_files.malicious(),
        "packed code that starts processes": trust_files.with_code("harmful"),
        "harmless files": trust_files.harmless(),
        "packed code that only computes": trust_files.with_code("harmless"),
    }
    for group, files in groups.items():
        folder = bench.folder / group
        paths = trust_files.write_all(folder, files)
        results = dict(_verdicts(bench, folder, paths))
        counts = {name: Counter(verdicts.values()) for name, (verdicts, _) in results.items()}
        wrong, words = (
            ("found", "refused") if "harmless" in group or "only" in group else ("clean", "called clean")
        )
        yield Row(
            what=f"{group}, {len(paths)} files: {words}",
            good="0",
            cells={name: str(count[wrong]) for name, count in counts.items()},
        )
        yield Row(
            what="    cannot be read",
            good="0",
            cells={name: str(count["cannot read"]) for name, count in counts.items()},
        )
        yield Row(
            what="    seconds for all",
            good="",
            cells={name: f"{taken:.2f}" for name, (_, taken) in results.items()},
        )


def _verdicts(
    bench: Bench, folder: Path, paths: Sequence[Path]
) -> Iterator[tuple[str, tuple[Verdicts, float]]]:
    yield HERMPKG, ours(paths)
    yield TORCH, torch_load(paths)
    yield SAFETENSORS, _verdicts_of_safetensors(paths)
    for name, python in bench.pythons.items():
        yield name, theirs(python, name, folder)


def _verdicts_of_safetensors(paths: Sequence[Path]) -> tuple[Verdicts, float]:
    verdicts: dict[str, str] = {}

    def load_all() -> None:
        for path in paths:
            verdicts[path.name] = "cannot read" if _is_refused(load_file, path) else "clean"

    (row,) = timed({"": load_all}, 1)
    return verdicts, row.median


def tensors_without_code(bench: Bench) -> Iterator[Row]:
    """Which forms tensors are read from while no code runs, and how fast."""
    readers: dict[str, Callable[[Path], dict[str, torch.Tensor]]] = {
        HERMPKG: _tensors_by_hermpkg,
        TORCH: _tensors_by_torch,
        SAFETENSORS: load_file,
    }
    got: Counter[str] = Counter()
    forms = [*trust_files.forms(bench.folder / "forms")]
    for path, wanted in forms:
        for tool, reader in readers.items():
            with contextlib.suppress(Exception):
                got[tool] += _equal(reader(path), wanted)
    yield Row(
        what=f"tensors read without code, of {len(forms)} forms",
        good=str(len(forms) - 1),  # One is of safetensors, which leaves nothing to do.
        cells={tool: str(got[tool]) for tool in readers},
    )
    small = {f"layers.{number}.weight": torch.rand(8, 8) for number in range(10_000)}
    large = {f"layers.{number}.weight": torch.rand(1024, 8192) for number in range(max(1, bench.mib // 32))}
    for what, tensors in {"10,000 small tensors": small, f"{bench.mib} MiB of tensors": large}.items():
        yield _speed_of_tensors(bench, f"    {what}, loaded and touched, seconds", tensors)


def _tensors_by_hermpkg(path: Path) -> dict[str, torch.Tensor]:
    out = path.with_suffix(".out")
    if _quietly(["tensors", str(path), "--to", str(out)]):
        raise ValueError("refused")
    return load_file(out)


def _tensors_by_torch(path: Path) -> dict[str, torch.Tensor]:
    found = torch.load(path, weights_only=True)
    if isinstance(found.get("state"), dict):
        return {f'state["{name}"]': tensor for name, tensor in found["state"].items()}
    return dict(found)


def _equal(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def _speed_of_tensors(bench: Bench, what: str, tensors: dict[str, torch.Tensor]) -> Row:
    flat, ours, pickled = (bench.folder / f"speed{suffix}" for suffix in (".safetensors", ".pt", ".pth"))
    save_file(tensors, flat)
    torch.save(tensors, pickled)
    _write_artifact(ours, tensors)
    rows: dict[str, Callable[[], object]] = {
        SAFETENSORS: lambda: read(load_file(flat)),
        HERMPKG: lambda: read(PackageImporter(ours).load_tensors("model", "model.pkl")),
        TORCH: lambda: read(torch.load(pickled, weights_only=True, mmap=True)),
    }
    for load in rows.values():
        load()  # The first one reads from the disk, and imports.
    return Row(what=what, good="", cells={row.name: f"{row.median:.3f}" for row in timed(rows, bench.rounds)})


def _write_artifact(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", dict(tensors))


def signatures(bench: Bench) -> Iterator[Row]:
    """Signing and verifying as whole processes, and what a verifier refuses."""
    folder = bench.folder / "signed"
    folder.mkdir()
    key, other = Key.new(), Key.new()
    private, public, wrong = (folder / name for name in ("key.pem", "key.pub", "other.pub"))
    private.write_bytes(key.pem)
    public.write_bytes(key.public_pem)
    wrong.write_bytes(other.public_pem)
    large = folder / "large.pt"
    _write_artifact(large, {"weight": torch.rand(bench.mib << 18)})
    signers = {HERMPKG: _sign_by_hermpkg, SIGNING: _sign_by_model_signing}
    verifiers = {HERMPKG: _verify_by_hermpkg, SIGNING: _verify_by_model_signing}
    made = {
        tool: (lambda tool=tool, sign=sign: sign(large, folder / f"{tool}.sig", private))
        for tool, sign in signers.items()
    }
    yield _seconds(f"signing {bench.mib} MiB, seconds", timed(made, bench.rounds))
    held = {
        tool: (lambda tool=tool, verify=verify: _must(verify(large, folder / f"{tool}.sig", public)))
        for tool, verify in verifiers.items()
    }
    yield _seconds(f"verifying {bench.mib} MiB, seconds", timed(held, bench.rounds))
    crossed = {HERMPKG: SIGNING, SIGNING: HERMPKG}
    yield Row(
        what="    accepts what the other signed",
        good="yes",
        cells={
            tool: "yes" if verify(large, folder / f"{crossed[tool]}.sig", public) else "no"
            for tool, verify in verifiers.items()
        },
    )
    refused: Counter[str] = Counter()
    cases = [*_wrong_signatures(folder, private, public, wrong)]
    for file, signature, accepted in cases:
        for tool, verify in verifiers.items():
            refused[tool] += not verify(file, signature, accepted)
    yield Row(
        what=f"    refuses, of {len(cases)} wrong pairs of file and signature",
        good=str(len(cases)),
        cells={tool: str(refused[tool]) for tool in verifiers},
    )


def _wrong_signatures(
    folder: Path, private: Path, public: Path, wrong: Path
) -> Iterator[tuple[Path, Path, Path]]:
    """Give files, signatures and accepted keys that do not belong together; each pair alone in its folder."""
    file, signature = folder / "net.pt", folder / "net.sig"
    tensors = trust_files.state()
    _write_artifact(file, tensors)
    _sign_by_model_signing(file, signature, private)
    _must(_verify_by_hermpkg(file, signature, public) and _verify_by_model_signing(file, signature, public))
    cases = trust_files.changed(file, tensors["weight"].numpy().tobytes()[:32])
    for number, data in enumerate(cases.values()):
        place = folder / str(number)
        place.mkdir()
        (place / "net.pt").write_bytes(data)
        yield place / "net.pt", signature, public
    yield file, signature, wrong
    cut, empty = folder / "cut.sig", folder / "empty.sig"
    cut.write_bytes(signature.read_bytes()[:-40])
    empty.write_bytes(b"{}")
    yield file, cut, public
    yield file, empty, public
    yield file, folder / "missing.sig", public


def _run(*words: str | Path) -> bool:
    return subprocess.run([*map(str, words)], check=False, capture_output=True).returncode == 0


def _do(*words: str | Path) -> None:
    """Run what must be done; what it says is told where it cannot do it."""
    run = subprocess.run([*map(str, words)], check=False, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {run.returncode}: {run.stderr}")


_OFFICIAL = (sys.executable, "-c", "from model_signing._cli import main; main()")
_OURS = (sys.executable, "-m", "hermpkg_build", "-q")


def _sign_by_model_signing(file: Path, signature: Path, key: Path) -> None:
    _do(*_OFFICIAL, "sign", "key", file, "--signature", signature, "--private_key", key)


def _sign_by_hermpkg(file: Path, signature: Path, key: Path) -> None:
    _do(*_OURS, "sign", file, "--signature", signature, "--private-key", key)


def _verify_by_model_signing(file: Path, signature: Path, key: Path) -> bool:
    return _run(*_OFFICIAL, "verify", "key", file, "--signature", signature, "--public_key", key)


def _verify_by_hermpkg(file: Path, signature: Path, key: Path) -> bool:
    return _run(*_OURS, "verify", file, "--signature", signature, "--public-key", key)


def _must(is_done: bool) -> None:
    if not is_done:
        raise SystemExit("a tool could not do what it is timed at")


def _seconds(what: str, rows: Sequence[TimedRow]) -> Row:
    return Row(what=what, good="", cells={row.name: f"{row.median:.2f}" for row in rows})


def gates(bench: Bench) -> Iterator[Row]:
    """Whether what changed since it was vouched for, or while it is used, is refused by what loads it."""
    folder = bench.folder / "gate"
    folder.mkdir()
    tensors = {"weight": torch.arange(40_000, dtype=torch.float32)}
    files = {HERMPKG: folder / "net.pt", TORCH: folder / "net.pth", SAFETENSORS: folder / "net.safetensors"}
    _write_artifact(files[HERMPKG], tensors)
    torch.save(tensors, files[TORCH])
    save_file(tensors, files[SAFETENSORS])
    sha256 = hashlib.sha256(files[HERMPKG].read_bytes()).hexdigest()
    policy = TrustPolicy(rules=[TrustRule(sha256=sha256, allow_all=True)])
    openers: dict[str, Opener] = {
        HERMPKG: lambda path: _loader(PackageImporter(path, trust=policy)),
        TORCH: lambda path: torch.load(path, weights_only=True)["weight"].clone,
        SAFETENSORS: _slice,
    }
    refused: Counter[str] = Counter()
    noticed: Counter[str] = Counter()
    ways = 0
    for tool, file in files.items():
        cases = trust_files.changed(file, tensors["weight"].numpy().tobytes()[80_000:80_064])
        ways = len(cases)
        sound = file.read_bytes()
        for data in cases.values():
            path = folder / f"changed{file.suffix}"
            path.write_bytes(data)
            refused[tool] += _is_refused(lambda path: openers[tool](path)(), path)  # noqa: B023
            if len(data) == len(sound):
                path.write_bytes(sound)
                noticed[tool] += _is_unharmed(openers[tool], path, data, tensors["weight"])
    yield Row(
        what=f"loading refuses what changed since, of {ways} ways",
        good=str(ways),
        cells={tool: str(refused[tool]) for tool in files},
    )
    yield Row(
        what="    also while it is open, of 2 ways",
        good="2",
        cells={tool: str(noticed[tool]) for tool in files},
    )


def _loader(importer: PackageImporter) -> Callable[[], torch.Tensor]:
    def load() -> torch.Tensor:
        return importer.load_tensors("model", "model.pkl")["weight"].clone()

    return load


def _slice(path: Path) -> Callable[[], torch.Tensor]:
    opened = safe_open(path, "pt").__enter__()
    return lambda: opened.get_tensor("weight").clone()


def _is_refused(load: Callable[[Path], object], path: Path) -> bool:
    try:
        load(path)
    except Exception:
        return True
    return False


def _is_unharmed(opener: Opener, path: Path, data: bytes, wanted: torch.Tensor) -> bool:
    """Whether a file that is written over while it is open gives what was opened, or an error."""
    load = opener(path)
    with open(path, "r+b", buffering=0) as file:
        file.write(data)
    try:
        return torch.equal(load(), wanted)
    except Exception:
        return True


def papers(bench: Bench) -> Iterator[Row]:
    """What is told of what an artifact is made of, by whom: bills and statements."""
    path = bench.folder / "forms" / "an_artifact,_a_packed_class.pt"
    bill, statement = (bench.folder / f"{name}.json" for name in ("bill", "statement"))
    _must(not _quietly(["sbom", str(path), "--output", str(bill)]))
    _must(not _quietly(["attest", str(path), "--output", str(statement)]))
    parts = json.loads(bill.read_text())["components"]
    told = json.loads(statement.read_text())["predicate"]["buildDefinition"]["resolvedDependencies"]
    yield Row(what="a bill of materials: parts that it names", good="", cells={HERMPKG: str(len(parts))})
    yield Row(what="a statement of provenance: materials", good="", cells={HERMPKG: str(len(told))})


def _quietly(words: list[str]) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return hermpkg(words)


SECTIONS: Sequence[Callable[[Bench], Iterator[Row]]] = (
    scans,
    tensors_without_code,
    signatures,
    gates,
    papers,
)

if __name__ == "__main__":
    sys.exit(main())
