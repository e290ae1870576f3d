"""Files as libraries write them every day, in which there is nothing to be found."""

from __future__ import annotations

import collections
import io
import pickle
import struct
from collections.abc import Callable

import numpy
import torch

from hermpkg_build.archive.writer import Record, stream_archive


def artifact(**records: bytes) -> bytes:
    """An artifact; ``__`` in a name stands for a slash and ``_dot_`` for a dot."""
    stream = io.BytesIO()
    contents = {name.replace("__", "/").replace("_dot_", "."): data for name, data in records.items()}
    contents.setdefault(".data/extern_modules", b"torch\n")
    contents.setdefault(".data/version", b"6\n")
    stream_archive(
        stream,
        root="net",
        records=[Record(name=name, content=data) for name, data in sorted(contents.items())],
    )
    return stream.getvalue()


def _saved(value: object, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


_STATE = {
    "weight": torch.ones(3, 4),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "nested": {"list": [1, 2.5, "x", (None, True)], "size": torch.Size([1, 2])},
    "parameter": torch.nn.Parameter(torch.zeros(2)),
}


def _numbers() -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, a=numpy.arange(5), b=numpy.array([{"x": 1}, None], dtype=object))
    return stream.getvalue()


HARMLESS: dict[str, Callable[[], bytes]] = {
    "torch.save": lambda: _saved(_STATE),
    "torch.save of an ordered state": lambda: _saved(torch.nn.Linear(2, 2).state_dict()),
    "torch.save of old": lambda: _saved(_STATE, _use_new_zipfile_serialization=False),
    "optimizer": lambda: _saved(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()),
    "numbers of numpy": lambda: pickle.dumps([numpy.float64(1), numpy.arange(3), numpy.dtype("f4")], 4),
    "numbers of numpy, protocol 5": lambda: pickle.dumps(numpy.arange(3), 5),
    "npz": _numbers,
    "containers": lambda: pickle.dumps([collections.Counter("ab"), collections.deque([1]), {1}, 1j, b"x"], 2),
    "artifact": lambda: artifact(
        model__model_dot_pkl=pickle.dumps({"a": 1}), words_dot_txt=b"cat\ndog\nemu\nR\n"
    ),
    "artifact with code": lambda: artifact(
        pkg__net_dot_py=b"import torch\nclass Net(torch.nn.Module): ...\n"
    ),
    "pickles after each other": lambda: pickle.dumps(1) + pickle.dumps(2),
    "safetensors": lambda: (lambda h: struct.pack("<Q", len(h)) + h + bytes(4))(
        b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    ),
}
"""Functions that make them: some import much."""
