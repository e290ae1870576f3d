"""Files of weights that a workspace names: safetensors, indexes of shards, and what torch.save wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from laws import Reader, in_file, target_of
from safetensors.torch import save

from hermpkg_build.factories.checkpoints import read_checkpoint
from hermpkg_build.factories.state_dicts import fits, part_at


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of weights."""
    state = {"a.weight": torch.zeros(2, 3), "a.bias": torch.ones(3)}
    safe = save(state)
    (folder / "part.safetensors").write_bytes(safe)
    index = {"metadata": {}, "weight_map": dict.fromkeys(state, "part.safetensors")}
    checkpoint = {"state_dict": state, "epoch": 3, "optimizer": {"x": [1, 2]}}
    sounds = {
        "safe.safetensors": safe,
        "new.pt": _saved(checkpoint, is_zip=True),
        "old.pt": _saved(checkpoint, is_zip=False),
        "module.pt": _saved(torch.nn.Linear(2, 2), is_zip=True),
        "index.safetensors.index.json": json.dumps(index).encode(),
    }
    return {
        name: in_file(folder / name, sound, partial(_read, folder / name)) for name, sound in sounds.items()
    }


def _saved(value: object, *, is_zip: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=is_zip)
    return stream.getvalue()


def _read(path: Path) -> None:
    expected = {"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}
    checkpoint = read_checkpoint(str(path), path.name, has_shards=True)
    part_at(checkpoint, "state_dict")
    fits(checkpoint, expected)


TARGET = target_of(readers)
