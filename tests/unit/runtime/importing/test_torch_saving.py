"""Checkpoints of packaged objects, which torch writes with an old protocol."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

SOURCE = """
import torch

class Net(torch.nn.Module):
    class Part:
        pass

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.part = self.Part()
        self.function = helper

    def forward(self, x):
        return self.function(x * self.weight) + {number}

def helper(x):
    return x
"""
LOAD = """
import sys, torch
from hermpkg_build import PackageImporter
other = PackageImporter(sys.argv[1])
PackageImporter(sys.argv[1]).import_module("lib")
loaded = torch.load(sys.argv[2], weights_only=False)
assert loaded["net"](torch.ones(2)).tolist() == [3, 3], loaded["net"](torch.ones(2))
assert type(loaded["net"]) is type(loaded["same"]) is loaded["class"]
"""


@pytest.fixture
def net(load):
    return load({"lib.py": SOURCE.format(number=2)}, ["torch"]).import_module("lib").Net()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 3}])
def test_a_checkpoint_finds_its_artifact(net, load, artifact, tmp_path, options) -> None:
    path = artifact({"lib.py": SOURCE.format(number=1)}, ["torch"], "other.pt")
    stream = io.BytesIO()
    torch.save({"net": net, "same": net, "class": type(net)}, stream, **options)
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.write_bytes(stream.getvalue())
    if not options:
        subprocess.run([sys.executable, "-c", LOAD, path, str(checkpoint)], check=True)
    here = torch.load(checkpoint, weights_only=False)
    assert here["class"] is type(net)
    assert type(here["net"].part) is type(net).Part


def test_what_is_not_packaged_has_the_bytes_that_torch_gives_it(net) -> None:
    value = {"tensor": torch.ones(3), "class": torch.nn.Linear, "function": torch.nn.init.zeros_, "list": [1]}
    saved, plain = io.BytesIO(), io.BytesIO()
    torch.save(value, saved)
    with torch.serialization._open_zipfile_writer(plain) as writer:
        torch.serialization._save.__wrapped__(value, writer, pickle, 2, False)
    assert saved.getvalue() == plain.getvalue()
    assert torch.load(io.BytesIO(saved.getvalue()), weights_only=False)["list"] == [1]


def test_what_cannot_be_named_is_still_refused(load) -> None:
    lib = load({"lib.py": "def make():\n    class Inner: pass\n    return Inner()"}).import_module("lib")
    with pytest.raises((AttributeError, pickle.PicklingError), match="Inner"):
        torch.save(lib.make(), io.BytesIO())


def test_torch_may_come_after_the_artifact(artifact) -> None:
    code = """
import io, sys
from hermpkg_build import PackageImporter
lib = PackageImporter(sys.argv[1]).import_module("lib")
assert "torch" not in sys.modules
import torch
stream = io.BytesIO()
torch.save(lib.Thing(), stream)
assert b"reopened_name" in stream.getvalue()
"""
    path = artifact({"lib.py": "class Thing:\n    pass"})
    subprocess.run([sys.executable, "-c", code, path], check=True)
