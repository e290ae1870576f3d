"""One step of the zoo in a process of its own: probe.py STEP LIBRARY FOLDER RESULT [ARTIFACT].

The steps `import`, `original`, `export` and `stock-export` import the library; `packaged` (what a
build gave), `exported` (what our PackageExporter gave) and `stock-load` run where its distribution
is not installed, and make sure that nothing can import it.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SEED = 0


class Hidden:
    """A meta-path finder that refuses one top-level package and all below it."""

    def __init__(self, library: str) -> None:
        self._library = library

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] == self._library:
            raise ModuleNotFoundError(f"{name} is hidden: only the artifact may give it", name=name)
        return None


def make_original(folder: Path) -> Any:
    """What the factory returns, with the seed that a `model` target has."""
    import torch

    sys.path.insert(0, str(folder.parents[1]))
    factory = importlib.import_module(f"libraries.{folder.name}.factory")
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    return factory.make()


def outputs_of(model: Any, folder: Path) -> list[Any]:
    """What outputs.py gets out of `model`, with fixed seeds."""
    import torch

    run: Callable[[Any], list[Any]] = runpy.run_path(str(folder / "outputs.py"))["outputs"]
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    with torch.no_grad():
        return [torch.as_tensor(output) for output in run(model)]


def original(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Record the outputs of the model as its factory makes it."""
    import torch

    outputs = outputs_of(make_original(folder), folder)
    torch.save(outputs, result.with_suffix(".outputs"))
    return {"count": len(outputs)}


def imported(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Import what the factory imports, which no way of packing a model can do without."""
    sys.path.insert(0, str(folder.parents[1]))
    importlib.import_module(f"libraries.{folder.name}.factory")
    return {}


def packaged(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Load with our importer, compare, and see that the library came from nowhere else."""
    import torch  # noqa: F401 - what every process that loads models has imported is not part of loading

    from hermpkg_build import PackageImporter

    before = {name: id(module) for name, module in sys.modules.items()}
    started = time.perf_counter()
    importer = PackageImporter(artifact)
    model = importer.load_pickle("model", "model.pkl")
    seconds = time.perf_counter() - started
    equal = _equal(outputs_of(model, folder), result)
    replaced = [name for name, module in before.items() if id(sys.modules.get(name)) != module]
    assert not replaced, f"loading replaced modules of the host: {replaced}"
    return {"seconds": seconds, "equal": equal}


def exported(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Export with our PackageExporter under the same policy."""
    from hermpkg_build import PackageExporter

    model = make_original(folder)
    library = _library_of(folder)
    started = time.perf_counter()
    with PackageExporter(artifact) as exporter:
        exporter.intern(f"{library}.**")
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", model)
    return {"seconds": time.perf_counter() - started}


def stock_export(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Export with torch.package under the same policy."""
    from torch.package import PackageExporter

    model = make_original(folder)
    library = _library_of(folder)
    started = time.perf_counter()
    with PackageExporter(artifact) as exporter:
        exporter.intern(f"{library}.**")
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", model)
    return {"seconds": time.perf_counter() - started}


def stock_load(folder: Path, result: Path, artifact: str) -> dict[str, Any]:
    """Load what torch.package wrote with torch.package, and compare."""
    from torch.package import PackageImporter

    started = time.perf_counter()
    model = PackageImporter(artifact).load_pickle("model", "model.pkl")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "equal": _equal(outputs_of(model, folder), result)}


def _equal(outputs: list[Any], result: Path) -> bool:
    import torch

    expected = torch.load(result.with_name("original.outputs"))
    return len(outputs) == len(expected) and all(
        torch.equal(ours, theirs) for ours, theirs in zip(outputs, expected, strict=True)
    )


def _library_of(folder: Path) -> str:
    """The package that the BUILD file packs."""
    lines = (folder / "BUILD").read_text(encoding="utf-8").splitlines()
    return next(line.split('"')[1] for line in lines if line.strip().startswith("library ="))


STEPS: dict[str, Callable[[Path, Path, str], dict[str, Any]]] = {
    "import": imported,
    "original": original,
    "packaged": packaged,
    "export": exported,
    "exported": packaged,
    "stock-export": stock_export,
    "stock-load": stock_load,
}
WHERE_IT_IS_NOT = ("packaged", "exported", "stock-load")


def main(step: str, folder: Path, result: Path, artifact: str = "") -> None:
    """Run one step; its facts, or the error that ended it, go to `result`."""
    warnings.simplefilter("ignore")
    if step in WHERE_IT_IS_NOT:
        sys.meta_path.insert(0, Hidden(_library_of(folder)))
    try:
        facts = STEPS[step](folder, result, artifact)
    except BaseException as error:
        text = str(error).strip().split("\n")[0]
        result.write_text(json.dumps({"error": f"{type(error).__name__}: {text}"}), encoding="utf-8")
        raise
    result.write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve(), *sys.argv[4:])
