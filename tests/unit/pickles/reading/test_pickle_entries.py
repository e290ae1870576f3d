"""The entries of a pickle, which are the same however they are read."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.pickles.reading.module_tensors import only_module_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.pickle_entries import entries_of
from hermpkg_build.pickles.reading.tensor_entries import TensorEntry, tensor_entries
from tests.unit.pickles.reading.mutants import mutant_of
from tests.unit.pickles.reading.test_module_tensors import MODULES, packed, saved


def facts(entries: list[TensorEntry]) -> list[tuple[object, ...]]:
    """What entries say; a place is the first name of the tensor."""
    first: dict[int, str] = {}
    return [
        (each.name, each.recipe, each.in_state, first.setdefault(each.place, each.name)) for each in entries
    ]


def told(read: Callable[[], list[tuple[object, ...]]]) -> object:
    """Return what is read, or the words of the error."""
    try:
        return read()
    except ValueError as error:
        return str(error)


def by_nodes(data: bytes) -> list[tuple[object, ...]]:
    return facts(tensor_entries(read_pickle(data), "m.pkl"))


def with_others() -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module.cache = [torch.ones(3), module[0].weight]
    module.register_buffer("hidden", torch.ones(2), persistent=False)
    return module


VALUES = {
    **MODULES,
    "others": with_others,
    "state dict": lambda: with_others().state_dict(),
    "tied dict": lambda: dict.fromkeys("ab", torch.ones(2)),
    "list": lambda: [torch.ones(2), {"a": torch.zeros(1)}],
    "sparse": lambda: {"a": torch.eye(2).to_sparse(), "b": torch.ones(1)},
}
FORMS = (packed, saved)
PICKLES = {f"{form.__name__} {name}": form(make()) for form in FORMS for name, make in VALUES.items()}


@pytest.mark.parametrize("name", PICKLES)
def test_entries_are_those_of_the_graph_of_objects(name: str) -> None:
    assert facts(entries_of(PICKLES[name], "m.pkl")) == by_nodes(PICKLES[name])


@pytest.mark.parametrize("form", FORMS)
def test_which_modules_are_read_by_patterns(form) -> None:
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(40)))
    assert only_module_tensors(form(layers)) is not None
    assert only_module_tensors(form(with_others())) is None


class Twice(nn.Module):
    """A module that has a tensor of a parameter elsewhere too, which torch itself never pickles so."""

    def __reduce__(self):
        tensor = torch.ones(2)
        parameter = torch._utils._rebuild_parameter
        raw = Raw(parameter, (tensor, True, {}))
        tables = {"_parameters": {"w": raw}, "_modules": {}, "_buffers": {}, "extra": tensor}
        return nn.Module, (), tables


class Raw:
    def __init__(self, function, arguments) -> None:
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def test_a_tensor_that_a_parameter_shares_with_another_attribute() -> None:
    stream = io.BytesIO()
    torch.save(Twice(), stream)
    data = ArchiveReader(stream.getvalue()).read("data.pkl")
    found = facts(entries_of(data, "m.pkl"))
    assert found == by_nodes(data)
    assert len(found) == 2


SEEDS = [data for name, data in PICKLES.items() if len(data) < 20_000 and "deep" not in name]


@settings(max_examples=600, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_entries_of_mutants_are_those_of_their_graphs(data: st.DataObject, seed: bytes) -> None:
    mutant = mutant_of(data, seed)
    expected, found = (
        told(lambda: by_nodes(mutant)),
        told(lambda: facts(entries_of(mutant, "m.pkl"))),
    )
    assert found == expected


def test_a_pickle_without_tensors() -> None:
    assert entries_of(pickle.dumps({"a": 1}, protocol=2), "m.pkl") == []
