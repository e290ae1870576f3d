"""Loading to a GPU beside `torch.load(mmap=True)` and a copy."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence

import torch
from table import Goal, show, timed

from hermpkg_build import PackageExporter, PackageImporter

_TORCH = "torch.load(mmap=True), then to the device"
_OURS = "load_pickle(map_location)"
_GOALS = {_OURS: Goal(most=1 / 0.9), "load_tensors(map_location)": Goal(most=1 / 0.9)}
_TENSORS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; say so where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how much is loaded, in MiB")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cuda", help="as torch names it; cpu tries the benchmark itself")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("GPU: skipped, for torch sees none here")
        return 0
    print(
        torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU", f"torch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory(prefix="bench gpu ") as folder:
        rows = _loading(folder, options.mib, options.device)
        for row in rows.values():
            row()  # The device is ready, and both files are in the page cache.
        show(f"Load {options.mib} MiB to {options.device}", timed(rows, options.rounds), _GOALS)
    return 0


def _loading(folder: str, mebibytes: int, device: str) -> Mapping[str, Callable[[], object]]:
    ours, stock = os.path.join(folder, "ours.pt"), os.path.join(folder, "stock.pt")
    tensors = {str(number): torch.randn((mebibytes << 18) // _TENSORS) for number in range(_TENSORS)}
    torch.save(tensors, stock)
    with PackageExporter(ours) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", tensors)

    def arrived(tensors: Mapping[str, torch.Tensor]) -> None:
        """Wait until all is there."""
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        assert len(tensors) == _TENSORS

    def of_torch() -> None:
        loaded = torch.load(stock, mmap=True, weights_only=True)
        arrived({name: tensor.to(device) for name, tensor in loaded.items()})

    def of_ours() -> None:
        with PackageImporter(ours) as importer:
            arrived(importer.load_pickle("model", "model.pkl", map_location=device))

    def as_data() -> None:
        with PackageImporter(ours) as importer:
            arrived(importer.load_tensors("model", "model.pkl", map_location=device))

    return {_TORCH: of_torch, _OURS: of_ours, "load_tensors(map_location)": as_data}


if __name__ == "__main__":
    sys.exit(main())
