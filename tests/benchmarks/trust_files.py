"""The files over which tools are compared: malicious, harmless, with code, with tensors, and changed ones."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from hermpkg_build import PackageExporter, PackageImporter, sys_importer
from tests.unit.scanning.archive_tricks import ARCHIVES
from tests.unit.scanning.code_samples import ONLY_COMPUTES, STARTS_PROCESSES
from tests.unit.scanning.harmless_files import HARMLESS, artifact
from tests.unit.scanning.tricks import TRICKS, WRAPPED

_NETWORK = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(40, 30)

def make():
    return Net()
"""


def write_all(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files under their names, with the suffix that their kind has, as scanners go by it."""
    folder.mkdir(parents=True)
    written = []
    for name, data in files.items():
        path = folder / f"{name.replace(' ', '_').replace('/', '_')}{_suffix(name, data)}"
        path.write_bytes(data)
        written.append(path)
    return sorted(written)


def _suffix(name: str, data: bytes) -> str:
    if name in ("npz", "safetensors"):
        return f".{name}"
    return ".pt" if data.startswith(b"PK") or name.startswith("torch.save") else ".pkl"


def malicious() -> dict[str, bytes]:
    """Pickles that start a process, in every wrapping."""
    groups = {"trick": TRICKS, "wrapped": WRAPPED, "archive": ARCHIVES}
    return {f"{group} {name}": data for group, files in groups.items() for name, data in files.items()}


def harmless() -> dict[str, bytes]:
    """Files in which there is nothing."""
    return {name: make() for name, make in HARMLESS.items()}


def with_code(sources: str) -> dict[str, bytes]:
    """Artifacts whose packed code starts a process ("harmful"), or only computes ("harmless")."""
    texts = {"harmful": STARTS_PROCESSES, "harmless": ONLY_COMPUTES}[sources]
    return {f"code {number:02}": artifact(pkg__mod_dot_py=text.encode()) for number, text in enumerate(texts)}


def state() -> dict[str, torch.Tensor]:
    """The tensors that every form below holds."""
    torch.manual_seed(0)
    return dict(torch.nn.Linear(40, 30).state_dict())


def forms(folder: Path) -> Iterator[tuple[Path, dict[str, torch.Tensor]]]:
    """Give files that hold tensors, and the tensors that are to be read from each."""
    folder.mkdir()
    tensors = state()
    module = torch.nn.Linear(40, 30)
    module.load_state_dict(tensors)
    for name, data in {
        "torch.save, a state dict": saved(tensors),
        "torch.save, a state dict, before 1.6": saved(tensors, _use_new_zipfile_serialization=False),
        "torch.save, a module": saved(module),
        "torch.save, a checkpoint": saved({"state": tensors, "epoch": 3}),
        "safetensors": save(tensors),
        "pickle of a module": pickle.dumps(module),
    }.items():
        path = folder / f"{name.replace(' ', '_')}.{'safetensors' if name == 'safetensors' else 'pt'}"
        path.write_bytes(data)
        form = 'state["{}"]' if "checkpoint" in name else "{}"
        yield path, {form.format(key): tensor for key, tensor in tensors.items()}
    for name, value in {"an artifact, a state dict": tensors, "an artifact, a module": module}.items():
        path = folder / f"{name.replace(' ', '_')}.pt"
        with PackageExporter(str(path)) as exporter:
            exporter.extern("**")
            exporter.save_pickle("model", "model.pkl", value)
        yield path, tensors
    yield _packed_class(folder, tensors)


def saved(value: object, **options: object) -> bytes:
    """Return what torch.save writes."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def _packed_class(folder: Path, tensors: dict[str, torch.Tensor]) -> tuple[Path, dict[str, torch.Tensor]]:
    """An artifact with a model of a class that it packs."""
    source, path = folder / "source.pt", folder / "an_artifact,_a_packed_class.pt"
    with PackageExporter(str(source)) as exporter:
        exporter.extern("torch.**")
        exporter.save_source_string("app.net", _NETWORK)
    with PackageImporter(source) as importer:
        net = importer.import_module("app.net").make()
        net.linear.load_state_dict(tensors)
        with PackageExporter(str(path), importer=(importer, sys_importer)) as exporter:
            exporter.intern("app.**")
            exporter.extern("torch.**")
            exporter.save_pickle("model", "model.pkl", net)
    source.unlink()
    return path, {f"linear.{key}": tensor for key, tensor in tensors.items()}


def changed(path: Path, tensor: bytes) -> dict[str, bytes]:
    """Return ways in which a file may have changed since somebody vouched for it.

    `tensor` are bytes of a tensor in it, of which one way changes a bit.
    """
    data = path.read_bytes()
    place = data.index(tensor)
    other = bytearray(data)
    other[place] ^= 1
    middle = bytearray(data)
    middle[len(data) // 2] ^= 1
    return {
        "a bit of a tensor": bytes(other),
        "a bit in the middle": bytes(middle),
        "bytes behind it": data + b"\0" * 64,
        "half of it": data[: len(data) // 2],
        "another file": saved({"other": torch.ones(3)}),
    }
