"""What is found in a module without a graph of nodes is what reading it node by node finds."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.pickles.reading.module_copies import SeenModules
from hermpkg_build.pickles.reading.module_tensors import module_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.recipes import StridedRecipe
from hermpkg_build.pickles.reading.tensor_entries import tensor_entries
from tests.unit.pickles.reading.mutants import mutant_of


def packed(value: object) -> bytes:
    return ArchiveReader(artifact(value).getvalue()).read("m/m.pkl")


def artifact(value: object) -> io.BytesIO:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("m", "m.pkl", value)
    stream.seek(0)
    return stream


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return ArchiveReader(stream.getvalue()).read("data.pkl")


Found = dict[str, tuple[object, ...]]


def quickly(data: bytes) -> list[tuple[str, tuple[object, ...]]] | None:
    found = module_tensors(data)
    return None if found is None else [(name, tuple(tensor)) for name, tensor in found.items()]


def by_nodes(data: bytes) -> list[tuple[str, tuple[object, ...]]]:
    found = []
    for entry in tensor_entries(read_pickle(data), "m.pkl"):
        if entry.in_state:
            assert isinstance(entry.recipe, StridedRecipe)
            tensor, storage = entry.recipe.tensor, entry.recipe.tensor.storage
            key = storage.record.removeprefix(".data/").removesuffix(".storage")
            numbers = (tensor.offset, tensor.shape, tensor.stride)
            found.append((entry.name, (key, storage.dtype, storage.count, storage.device, *numbers)))
    return found


def tied() -> nn.Module:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    return nn.Sequential(first, second, first)


def with_buffers() -> nn.Module:
    module = nn.BatchNorm2d(3)
    module.register_buffer("kept", torch.zeros(2, 3).t())
    module.register_buffer("hidden", torch.ones(4), persistent=False)
    module.register_buffer("none", None)
    module.register_parameter("absent", None)
    module.cache = torch.zeros(5)
    module.numbers = {"a": (3, 3), 4: [1.5, None, True, "x", b"y".decode()]}
    return module


class Block(nn.Module):
    """A layer with what differs from one to the next: numbers that lead to no tensor, and what is shared."""

    def __init__(self, number: int, shared: nn.Parameter | None = None) -> None:
        super().__init__()
        self.number, self.rate, self.is_last = number, number / 7, number > 5
        self.inner = nn.Sequential(nn.Linear(2, 3, bias=number % 2 == 0), nn.Sequential(nn.BatchNorm1d(3)))
        self.register_buffer("hidden", torch.zeros(2), persistent=False)
        self.scale = shared
        self.cache = torch.zeros(3)


def repeated() -> nn.Module:
    shared = nn.Parameter(torch.zeros(2))
    return nn.Sequential(*(Block(number, shared) for number in range(8)), Block(300), Block(301))


def deep(levels: int = 4) -> nn.Module:
    module = nn.Module()
    if levels:
        module.left, module.right = deep(levels - 1), deep(levels - 1)
    else:
        module.weight = nn.Parameter(torch.zeros(2))
    return module


MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(3, 2),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 300, (3, 1), padding=1)
    ),
    "recurrent": lambda: nn.LSTM(3, 4, 2),
    "transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False
    ),
    "tied": tied,
    "buffers": with_buffers,
    "dicts": lambda: nn.ModuleDict({"a b": nn.Linear(1, 1), "é": nn.ParameterList([torch.zeros(2)])}),
    "repeated": repeated,
    "deep": deep,
    "same": lambda: nn.ModuleList([nn.Linear(1, 1)] * 5 + [nn.Linear(1, 1), nn.ReLU(), nn.ReLU()]),
    "empty": nn.Module,
    "types": lambda: nn.Linear(2, 2).to(torch.bfloat16),
    "frozen": lambda: nn.Embedding.from_pretrained(torch.zeros(3, 2)),
}


@pytest.mark.parametrize("form", [packed, saved])
@pytest.mark.parametrize("name", MODULES)
def test_modules_are_read_as_nodes_are(name: str, form: Callable[[object], bytes]) -> None:
    module = MODULES[name]()
    data = form(module)
    assert quickly(data) == by_nodes(data)
    assert [each for each, _ in quickly(data) or ()] == [*module.state_dict()]


@pytest.mark.parametrize(
    "module",
    [
        parametrizations.weight_norm(nn.Linear(2, 2)),
        nn.Linear(2, 2).to_sparse()
        if hasattr(nn.Linear, "to_sparse")
        else nn.ParameterDict({"a": torch.zeros(1)}),
        nn.Sequential(nn.Linear(2, 2)).state_dict(),
        [nn.Linear(2, 2)],
    ],
)
def test_what_is_no_module_of_plain_tensors_is_left_to_others(module: object) -> None:
    data = packed(module)
    found = quickly(data)
    assert found is None or found == by_nodes(data)


def test_what_is_no_pickle_of_that_form_is_left_to_others() -> None:
    for data in (b"", b"\x80\x02", b"\x80\x02N.", pickle.dumps({"a": 1}, 2), pickle.dumps([1], 4), b"x" * 30):
        assert module_tensors(data) is None
    odd = nn.Linear(2, 2)
    odd.register_buffer("complex", torch.zeros(2, dtype=torch.complex64).conj())
    odd.register_buffer("sparse", torch.eye(2).to_sparse())
    assert module_tensors(packed(odd)) is None


def test_modules_that_hold_themselves_in_ever_more_ways_are_left_to_others() -> None:
    module = nn.Module()
    for _ in range(40):
        outer = nn.Module()
        outer.a = outer.b = module
        module = outer
    assert module_tensors(packed(module)) is None
    module.a = module
    assert module_tensors(packed(module)) is None


@pytest.mark.parametrize(("name", "copies"), [("repeated", 6), ("deep", 4)])
def test_modules_that_are_written_alike_are_read_once(
    name: str, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    copy = SeenModules.copy

    def spy(self: SeenModules, kind: object, at: int) -> object:
        found.append(copy(self, kind, at))
        return found[-1]

    monkeypatch.setattr(SeenModules, "copy", spy)
    assert module_tensors(packed(MODULES[name]()))
    assert sum(each is not None for each in found) >= copies


@pytest.mark.parametrize(
    "more", [b"}b", b"Nb", b"}(h\x02}h\x12}ub", b"K\x00K\x01s", b"K\x00a", b")R", b"q\x05", b"q\xfe"]
)
@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_what_is_done_to_a_module_or_its_copies_later_counts(more: bytes, which: int) -> None:
    data = packed(nn.ModuleList(nn.Linear(1, 1) for _ in range(4)))
    ends = [at + 2 for at in range(len(data)) if data[at : at + 2] == b"ub"]
    changed = data[: ends[which]] + more + data[ends[which] :]
    found = quickly(changed)
    assert found is None or found == by_nodes(changed)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-300, 70000), st.booleans()), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_modules_are_read_as_nodes_are(kinds: list[tuple[int, int, bool]]) -> None:
    made = [deep(2), Block(1), nn.Linear(2, 2)]
    root = nn.ModuleList()
    for kind, number, is_new in kinds:
        module = (Block(number), deep(kind), nn.LayerNorm(3, eps=number / 3))[kind] if is_new else made[kind]
        root.append(nn.Sequential(module, nn.ReLU()))
    data = packed(root)
    assert quickly(data) == by_nodes(data)


def test_modules_deep_in_each_other_are_read() -> None:
    module = nn.Module()
    for _ in range(300):
        outer = nn.Module()
        outer.inner, outer.number = module, 1
        module = outer
    assert module_tensors(packed(nn.ModuleList([module, nn.Linear(1, 1)]))) is not None


def test_a_tensor_with_several_names_is_one() -> None:
    with PackageImporter(artifact(tied())) as importer:
        tensors = importer.load_tensors("m", "m.pkl")
    assert tensors["0.weight"] is tensors["1.weight"] is tensors["2.weight"]
    assert tensors["0.bias"] is not tensors["1.bias"]


SEEDS = [form(MODULES[name]()) for form in (packed, saved) for name in ("linear", "buffers", "tied")]
SEEDS += [packed(MODULES[name]()) for name in ("repeated", "deep")]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(SEEDS))
def test_what_is_found_in_mutants_nodes_find_too(data: st.DataObject, seed: bytes) -> None:
    mutant = mutant_of(data, seed)
    found = quickly(mutant)
    assert found is None or found == by_nodes(mutant)


def test_truth_values_are_no_numbers_of_a_tensor() -> None:
    """torch refuses them, so that nothing could be made of what they describe."""
    sound = packed({"a": torch.zeros(2, 1).expand(2, 3)})
    kinds = set()
    for at in range(len(sound) - 1):
        if sound[at : at + 2] in (b"K\x00", b"K\x01"):
            changed = sound[:at] + (b"\x89", b"\x88")[sound[at + 1]] + sound[at + 2 :]
            entries = tensor_entries(read_pickle(changed), "m.pkl")
            kinds.update(type(entry.recipe).__name__ for entry in entries)
            assert all(
                type(number) is int
                for entry in entries
                if isinstance(entry.recipe, StridedRecipe)
                for number in (
                    *entry.recipe.tensor.shape,
                    *entry.recipe.tensor.stride,
                    entry.recipe.tensor.offset,
                )
            )
    assert "NoRecipe" in kinds
