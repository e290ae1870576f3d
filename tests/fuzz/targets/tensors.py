"""Tensors without code: of artifacts, of files of torch.save without a ZIP, of plain pickles."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from laws import Reader, target_of
from mutation.pickles import other_pickle

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.inspection.safetensors_file import why_unwritable, write_safetensors
from hermpkg_build.inspection.tensor_files import tensor_file
from hermpkg_build.pickles.reading.flat_tensors import flat_tensors
from hermpkg_build.pickles.reading.module_tensors import module_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.tensor_entries import tensor_entries

_RECORD = "m/m.pkl"
logging.getLogger("hermpkg_build.runtime").setLevel(logging.ERROR)  # It names all that is left out.


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of tensors, each with what is mutated for it: a pickle."""
    tensor = torch.arange(6.0).reshape(2, 3)
    state = {"a": tensor, "b": tensor.t(), "c": torch.ones(3, dtype=torch.int64)}
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    net.sparse, net.half = tensor.to_sparse(), tensor.to(torch.float8_e4m3fn)
    stored = {"state": state, "module": net, "nested": {"x": [state, net], "y": net.state_dict()}}
    found: dict[str, Reader] = {}
    for name, value in stored.items():
        records = _records(value)
        found[name] = Reader(sound=records[_RECORD], read=partial(_in_artifact, records))
    old = io.BytesIO()
    torch.save(state, old, _use_new_zipfile_serialization=False)
    for name, data in (
        ("old", old.getvalue()),
        ("plain", pickle.dumps(state, 2)),
        ("ascii", pickle.dumps(net, 0)),
    ):
        found[name] = Reader(sound=data, read=partial(_as_file, folder / f"{name}.pkl"))
    return found


def _records(value: object) -> dict[str, bytes]:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("m", "m.pkl", value)
    with ArchiveReader(stream.getvalue()) as archive:
        return {name: archive.read(name) for name in archive.names() if not name.startswith(".data/hermpkg")}


def _in_artifact(records: dict[str, bytes], data: bytes) -> None:
    """Load the tensors of an artifact that has the pickle `data`, and touch them."""
    stream = io.BytesIO()
    changed = sorted({**records, _RECORD: data}.items())
    stream_archive(stream, root="a", records=[Record(name=name, content=each) for name, each in changed])
    flat = flat_tensors(data)
    if flat is not None:
        names = {entry.name for entry in tensor_entries(read_pickle(data), _RECORD)}
        assert names == flat.keys(), "a sweep finds other tensors than reading node by node"
    state = module_tensors(data)
    if state is not None:
        names = {entry.name for entry in tensor_entries(read_pickle(data), _RECORD) if entry.in_state}
        assert names == state.keys(), "a module is read otherwise than node by node"
    with PackageImporter(stream, check="off") as importer:
        tensors = importer.load_tensors("m", "m.pkl", everything=True, strict=False)
    for tensor in tensors.values():
        if tensor.layout is torch.strided and tensor.numel() < 1 << 20:
            tensor.clone()


def _as_file(path: Path, data: bytes) -> None:
    """Write the tensors of a file as safetensors."""
    path.write_bytes(data)
    file = tensor_file(str(path))
    for entries in file.pickles.values():
        write_safetensors(f"{path}.out", file, [entry for entry in entries if not why_unwritable(entry)])


TARGET = target_of(readers, other_pickle)
