"""What one sweep finds in a flat state dict is what reading it node by node finds; all else it leaves."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hermpkg_build import PackageExporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.pickles.reading.flat_tensors import flat_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.recipes import StridedRecipe
from hermpkg_build.pickles.reading.tensor_entries import tensor_entries


def packed(value: object) -> bytes:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("m", "m.pkl", value)
    return ArchiveReader(stream.getvalue()).read("m/m.pkl")


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return ArchiveReader(stream.getvalue()).read("data.pkl")


def by_sweep(data: bytes) -> dict[str, tuple[object, ...]] | None:
    found = flat_tensors(data)
    return None if found is None else {name: tuple(tensor) for name, tensor in found.items()}


def by_nodes(data: bytes) -> dict[str, tuple[object, ...]] | None:
    """The same, None for what has anything but plain tensors under texts."""
    try:
        entries = tensor_entries(read_pickle(data), "m.pkl")
    except ValueError:
        return None
    found: dict[str, tuple[object, ...]] = {}
    for entry in entries:
        recipe = entry.recipe
        if not isinstance(recipe, StridedRecipe) or recipe.is_conj or recipe.is_negative:
            return None
        tensor, storage = recipe.tensor, recipe.tensor.storage
        key = storage.record.removeprefix(".data/").removesuffix(".storage")
        found[entry.name] = (
            *(key, storage.dtype, storage.count, storage.device),
            *(tensor.offset, tensor.shape, tensor.stride),
        )
    return found


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)


@st.composite
def state_dicts(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    pool = [
        torch.zeros(draw(st.sampled_from([1, 300, 70000])), dtype=dtype)
        for dtype in (torch.float32, torch.int64)
    ]
    pool += [pool[0][:1].expand(2, 3), torch.zeros(2, 3, 4, 5), torch.tensor(1.0), torch.zeros(0)]
    names = draw(st.lists(NAMES, min_size=2, max_size=8, unique=True))
    value = {name: draw(st.sampled_from(pool)) for name in names}
    return draw(st.sampled_from([dict, OrderedDict]))(value)


@settings(max_examples=60, deadline=None)
@given(state_dicts(), st.sampled_from([packed, saved]))
def test_a_sweep_finds_what_nodes_do(value, form):
    data = form(value)
    assert by_sweep(data) == by_nodes(data)
    assert by_sweep(data) is not None


def test_the_state_dict_of_a_module_is_flat():
    value = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    for data in (packed(value), saved(value)):
        assert list(by_sweep(data) or ()) == list(value)


SEEDS = [
    form(value)
    for form in (packed, saved)
    for value in (
        {"a": torch.zeros(3), "b": torch.zeros(2, 2), "c": torch.zeros(3)},
        nn.Linear(2, 2).state_dict(),
    )
]


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_what_a_sweep_finds_in_mutants_nodes_find_too(data, seed):
    mutant = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(mutant) - 1))
        if data.draw(st.booleans()):
            mutant[place] = data.draw(st.sampled_from([*b"qrhjXKMJ(u.bs}0tRQ\x00\x01\x02\x04", 255]))
        else:
            other = data.draw(st.integers(0, len(mutant) - 1))
            mutant[place:place] = mutant[other : other + data.draw(st.integers(0, 40))]
    found = by_sweep(bytes(mutant))
    assert found is None or found == by_nodes(bytes(mutant))


def test_what_is_not_of_that_form_is_left_to_others():
    tensor = torch.zeros(2)
    values = [
        [tensor],
        {"a": tensor, 1: tensor},
        {"a": {"b": tensor}, "c": tensor},
        {"a": nn.Parameter(tensor)},
        {},
    ]
    attributed = OrderedDict(a=tensor, b=tensor)
    attributed.held = torch.zeros(1)
    for value in [*values, attributed]:
        assert flat_tensors(packed(value)) is None
    assert flat_tensors(pickle.dumps({"a": 1}, protocol=2)) is None
    assert flat_tensors(b"") is None
