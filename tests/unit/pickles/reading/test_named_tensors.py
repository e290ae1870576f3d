"""Tensors have the names that a state dict has, each with every name that leads to it."""

from __future__ import annotations

import io
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hermpkg_build import PackageExporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.pickles.reading.named_tensors import NamedTensor, named_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle


def packed(value: object) -> list[NamedTensor]:
    """The tensors of an artifact that holds `value`."""
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", value)
    with ArchiveReader(stream.getvalue()) as archive:
        return list(named_tensors(read_pickle(archive.read("model/model.pkl")), "model/model.pkl"))


def names(value: object) -> list[tuple[str, ...]]:
    return [tensor.names for tensor in packed(value)]


class Net(nn.Module):
    """A module whose parts are given by name; the same part may have several names."""

    def __init__(self, **parts: object) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, nn.Module | nn.Parameter):
                setattr(self, name, part)
            else:
                self.register_buffer(name, part)


MODULES = st.deferred(
    lambda: st.dictionaries(
        st.sampled_from("abc"), st.one_of(MODULES, st.integers(0, 4)), min_size=1, max_size=3
    )
)


@settings(max_examples=40, deadline=None)
@given(MODULES)
def test_names_are_the_keys_of_the_state_dict(tree):
    pool = [nn.Parameter(torch.zeros(n + 1)) for n in range(3)]
    shared = [nn.Linear(1, 2), Net(x=nn.Linear(1, 1), y=torch.zeros(3))]
    choices = [*pool, *shared]

    def made(node: object) -> object:
        return Net(**{k: made(v) for k, v in node.items()}) if isinstance(node, dict) else choices[node]

    net = made(tree)
    found = packed(net)
    assert {name for tensor in found for name in tensor.names} == net.state_dict().keys()
    assert len(found) == len({id(value) for value in net.state_dict(keep_vars=True).values()})


def test_every_name_of_a_shared_module_is_told():
    shared = nn.Embedding(3, 2)
    (names_of,) = names(Net(shared=shared, encoder=Net(tokens=shared), decoder=Net(tokens=shared)))
    assert names_of == ("shared.weight", "encoder.tokens.weight", "decoder.tokens.weight")


def test_a_state_dict_has_its_keys():
    assert names(nn.Linear(2, 1).state_dict()) == [("weight",), ("bias",)]
    assert names({"ema": nn.Linear(2, 1, bias=False), 1: torch.ones(1)}) == [("ema.weight",), ("model[1]",)]


def test_a_tensor_alone_and_in_containers():
    assert names(torch.ones(2)) == [("model",)]
    assert names([torch.ones(2), {"k": torch.ones(1)}]) == [("model[0]",), ('model[1]["k"]',)]


class Tagged(torch.Tensor):
    """A subclass of the kind that libraries ship."""


@pytest.mark.parametrize(
    ("value", "forms"),
    [
        (torch.ones(2, 3).as_subclass(Tagged), ["float32[2, 3]"]),
        (torch.eye(2).to_sparse(), ["int64[2, 2]", "float32[2]"]),
        (torch.ones(3, dtype=torch.bfloat16), ["bfloat16[3]"]),
        (torch.ones(4).untyped_storage(), ["None"]),
    ],
    ids=["subclass", "sparse", "bfloat16", "storage"],
)
def test_other_kinds_of_tensors_have_their_name(value, forms):
    net = nn.Module()
    net.w = value
    if isinstance(value, torch.Tensor):
        net = Net(w=value)
    found = packed(net)
    assert [str(tensor.tensor) for tensor in found] == forms
    assert all(tensor.names[0].split(".")[-2 if len(found) > 1 else -1] == "w" for tensor in found)


def test_cycles_end():
    net = Net(part=nn.Linear(1, 1, bias=False))
    net.part.above = [net]
    assert names(net) == [("part.weight",)]


def test_a_few_bytes_cannot_have_endless_names():
    """Each list holds the one before it twice: two to the power of sixty names, if all were told."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00)))\x89}tR"
    lists = b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(60))
    data = b"\x80\x02" + tensor + b"q\x00" + lists + b"."
    (found,) = named_tensors(read_pickle(data), "m.pkl")
    assert 2 <= len(found.names) <= 16


def test_what_is_no_tensor_has_no_name():
    assert list(named_tensors(read_pickle(pickle.dumps({"a": [1, (2, "x")]})), "m.pkl")) == []
