"""`load_tensors` gives what the loaded object's state dict has, and runs nothing to do so."""

from __future__ import annotations

import io
import os
import pickle
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.tensors_as_data import TensorsNotReadError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def packed(value: object) -> PackageImporter:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", value)
    return PackageImporter(stream)


def handmade(data: bytes, storages: dict[str, bytes] | None = None) -> PackageImporter:
    """An artifact with the pickle `data`, as no exporter would write it."""
    records = {
        ".data/version": b"6\n",
        ".data/extern_modules": b"",
        "model/model.pkl": data,
        **{f".data/{key}.storage": content for key, content in (storages or {}).items()},
    }
    stream = io.BytesIO()
    stream_archive(stream, root="a", records=[Record(name=k, content=v) for k, v in sorted(records.items())])
    return PackageImporter(stream)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are the same in all that they say of themselves, and in every bit."""
    if (a.dtype, a.layout, a.shape, a.is_conj(), a.is_neg()) != (
        b.dtype,
        b.layout,
        b.shape,
        b.is_conj(),
        b.is_neg(),
    ):
        return False
    if a.is_quantized:
        return str(a) == str(b)
    if a.layout != torch.strided:
        return a.is_sparse == b.is_sparse and torch.equal(a.to_dense(), b.to_dense())
    return a.stride() == b.stride() and bits(a) == bits(b)


def bits(tensor: torch.Tensor) -> bytes:
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype)
    flat.copy_(tensor.resolve_conj().resolve_neg().reshape(-1))
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def assert_as_loaded(value: nn.Module) -> None:
    with packed(value) as importer:
        tensors = importer.load_tensors("model", "model.pkl")
        state = importer.load_pickle("model", "model.pkl").state_dict()
    assert list(tensors) == list(state)
    assert all(same(tensors[name], state[name]) for name in state)
    shared = {name: tensor.data_ptr() for name, tensor in state.items() if tensor.layout == torch.strided}
    for name, place in shared.items():
        for other, other_place in shared.items():
            assert (place == other_place) == (
                tensors[name].data_ptr() == tensors[other].data_ptr()
            ) or not place


class Net(nn.Module):
    def __init__(self, parts: dict[str, object]) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, (nn.Module, nn.Parameter)) or part is None:
                setattr(self, name, part)
            elif isinstance(part, list):
                self.register_buffer(name, part[0], persistent=False)
            else:
                self.register_buffer(name, part)


DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
    *(torch.float8_e4m3fn, torch.float8_e5m2),
]
if torch.uint16 in torch.storage._new_dtypes():  # torch 2.4 cannot pickle them.
    DTYPES += [torch.uint16, torch.uint32, torch.uint64]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    tensor = torch.arange(200).remainder(7).to(torch.float32).to(dtype)
    stride = [draw(st.integers(0, 4)) for _ in shape]
    view = tensor.as_strided(shape, stride, draw(st.integers(0, 9)))
    return view.conj() if dtype.is_complex and draw(st.booleans()) else view


@st.composite
def modules(draw: st.DrawFn) -> nn.Module:
    pool = [draw(tensors()) for _ in range(2)]
    leaves: list[object] = [*pool, *([tensor] for tensor in pool), None, nn.Linear(1, 2), nn.BatchNorm1d(2)]
    leaves += [nn.Parameter(torch.ones(2)), nn.LSTM(1, 1)]

    def made(depth: int) -> nn.Module:
        names = draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1))
        parts = {
            name: made(depth - 1) if depth and draw(st.booleans()) else draw(st.sampled_from(leaves))
            for name in names
        }
        return Net(parts)

    return made(2)


@settings(max_examples=60, deadline=None)
@given(modules())
def test_a_module_gives_the_tensors_of_its_state_dict(module):
    assert_as_loaded(module)


def special() -> dict[str, torch.Tensor]:
    values = torch.randn(4, 6)
    return {
        "quantised": torch.quantize_per_tensor(values, 0.1, 3, torch.qint8),
        "by channel": torch.quantize_per_channel(values, torch.rand(6) + 1, torch.zeros(6), 1, torch.quint8),
        "sparse": values.relu().to_sparse(),
        "compressed": values.relu().to_sparse_csr(),
        "blocks": values.relu().to_sparse_bsr((2, 3)),
        "negative": torch._neg_view(values),
    }


@pytest.mark.parametrize("kind", special())
def test_tensors_of_every_kind(kind):
    assert_as_loaded(Net({"value": special()[kind]}))


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(2, 2)), parametrizations.orthogonal(nn.Linear(2, 2))
        ),
        torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2), nn.ReLU())),
        nn.ModuleList([nn.Linear(1, 1)] * 40),
        nn.ParameterDict({"a": torch.ones(1)}),
    ],
    ids=["parametrized", "torch.fx", "one module in forty places", "parameters"],
)
def test_modules_that_are_pickled_in_their_own_way(module):
    assert_as_loaded(module)


def test_tensors_of_other_objects_have_their_keys_or_paths():
    tied = torch.ones(2)
    value = {
        "weight": tied,
        "again": tied,
        "steps": [tied[1:], {"k": torch.zeros(1)}],
        "net": nn.Linear(1, 1),
    }
    with packed(value) as importer:
        found = importer.load_tensors("model", "model.pkl")
    assert list(found) == [
        "weight",
        "again",
        "net.weight",
        "net.bias",
        "steps[0]",
        'steps[1]["k"]',
    ] or sorted(found) == sorted(["weight", "again", "net.weight", "net.bias", "steps[0]", 'steps[1]["k"]'])
    found["weight"].fill_(5)
    assert found["again"].tolist() == [5, 5]
    assert found["steps[0]"].tolist() == [5]


def test_what_a_state_dict_leaves_out_is_had_where_it_is_asked_for():
    module = Net({"kept": torch.ones(1), "hidden": [torch.zeros(1)]})
    module.cache = {"k": [torch.ones(3)]}
    with packed(module) as importer:
        assert list(importer.load_tensors("model", "model.pkl")) == ["kept"]
        found = importer.load_tensors("model", "model.pkl", everything=True)
    assert sorted(found) == ["hidden", "kept", 'model.cache["k"][0]']


def test_what_only_code_makes_is_refused_by_name(caplog):
    module = Net(
        {
            "plain": torch.ones(1),
            "meta": torch.ones(1, device="meta"),
            "scripted": torch.jit.script(nn.ReLU()),
        }
    )
    with packed(module) as importer:
        with pytest.raises(TensorsNotReadError) as caught:
            importer.load_tensors("model", "model.pkl")
        assert caught.value.reasons.keys() == {"meta", "scripted"}
        assert list(importer.load_tensors("model", "model.pkl", strict=False)) == ["plain"]
    assert "left out meta:" in caplog.text


def test_a_clash_of_names_loses_no_tensor():
    value = {"net.weight": torch.zeros(1), "net": nn.Linear(1, 1, bias=False)}
    with packed(value) as importer:
        found = importer.load_tensors("model", "model.pkl")
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "net.weight": (1,),
        'model["net"].weight': (1, 1),
    }


class Marks:
    """Runs a command when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_that_a_pickle_calls_runs(tmp_path, protocol):
    mark = tmp_path / "mark"
    data = pickle.dumps({"x": Marks(str(mark)), "y": [1]}, protocol=protocol)
    with handmade(data) as importer:
        assert importer.load_tensors("model", "model.pkl") == {}
        assert not mark.exists()
    pickle.loads(data)
    assert mark.exists(), "the control: a pickle that is loaded does run it"


def test_no_global_is_imported(monkeypatch):
    class Absent(dict):
        pass

    module = type(sys)("a_library_of_theirs")
    module.Absent = Absent
    Absent.__module__, Absent.__qualname__ = "a_library_of_theirs", "Absent"
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "a_library_of_theirs", module)
        importer = packed({"weight": torch.ones(2), "config": Absent(a=1)})
    before = set(sys.modules)
    with importer:
        assert importer.load_tensors("model", "model.pkl")["weight"].tolist() == [1, 1]
    assert "a_library_of_theirs" not in set(sys.modules) - before
    with packed({"weight": torch.ones(2)}) as importer, pytest.raises(ModuleNotFoundError):
        importer.import_module("a_library_of_theirs")


class Persistent(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return obj.identifier if isinstance(obj, Stored) else None


class Stored:
    def __init__(self, kind: type, key: str, count: int) -> None:
        self.identifier = ("storage", kind, key, "cpu", count)


class Rebuilt:
    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.arguments = name, arguments

    def __reduce__(self) -> object:
        return getattr(torch._utils, self.name), self.arguments


def described(*values: object) -> bytes:
    stream = io.BytesIO()
    Persistent(stream, protocol=2).dump(dict(zip("abcdefgh", values, strict=False)))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("offset", "shape", "stride", "count"),
    [
        (0, (5,), (1,), 4),
        (4, (1,), (1,), 4),
        (0, (2, 2), (3, 1), 4),
        (0, (1,), (1,), 40),
        (2**62, (9,), (1,), 4),
    ],
)
def test_a_description_that_lies_is_refused(offset, shape, stride, count):
    tensor = Rebuilt("_rebuild_tensor", Stored(torch.FloatStorage, "0", count), offset, shape, stride)
    with handmade(described(tensor), {"0": b"\0" * 16}) as importer, pytest.raises(ArchiveError):
        importer.load_tensors("model", "model.pkl")


def test_the_same_without_lies_is_read():
    tensor = Rebuilt("_rebuild_tensor", Stored(torch.FloatStorage, "0", 4), 0, (2, 2), (2, 1))
    with handmade(described(tensor), {"0": b"\0" * 16}) as importer:
        assert importer.load_tensors("model", "model.pkl")["a"].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "quantizer",
    [
        (torch.per_channel_affine, "scales", "scales", 3),
        (torch.per_channel_affine, "scales", "scales", 1),
        (1,),
        7,
    ],
)
def test_quantisation_that_makes_no_sense_is_refused_by_name(quantizer):
    one = Rebuilt("_rebuild_tensor", Stored(torch.FloatStorage, "0", 4), 0, (4,), (1,))
    made = (
        tuple(one if each == "scales" else each for each in quantizer) if isinstance(quantizer, tuple) else 7
    )
    tensor = Rebuilt(
        "_rebuild_qtensor", Stored(torch.QInt8Storage, "1", 16), 0, (4, 2), (2, 1), made, False, {}
    )
    with handmade(described(tensor), {"0": b"\0" * 16, "1": b"\0" * 16}) as importer:
        with pytest.raises(TensorsNotReadError):
            importer.load_tensors("model", "model.pkl")
        assert importer.load_tensors("model", "model.pkl", strict=False) == {}


def test_sparse_indices_beyond_the_shape_are_refused():
    indices = Rebuilt("_rebuild_tensor", Stored(torch.LongStorage, "1", 2), 0, (1, 2), (2, 1))
    values = Rebuilt("_rebuild_tensor", Stored(torch.FloatStorage, "0", 2), 0, (2,), (1,))
    tensor = Rebuilt("_rebuild_sparse_tensor", torch.sparse_coo, (indices, values, (5,), False))
    storages = {"0": b"\0" * 8, "1": (99).to_bytes(8, "little") * 2}
    with handmade(described(tensor), storages) as importer, pytest.raises(TensorsNotReadError):
        importer.load_tensors("model", "model.pkl")


def doubling(levels: int) -> bytes:
    """A module that has two names in a module that has two names, and so on: 2 ** `levels` names."""

    module = nn.Linear(1, 1)
    for _ in range(levels):
        module = Net({"a": module, "b": module})
    stream = io.BytesIO()
    with warnings.catch_warnings(), PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", module)
    return stream.getvalue()


def test_names_without_end_are_refused():
    with (
        PackageImporter(io.BytesIO(doubling(30))) as importer,
        pytest.raises(ArchiveError, match="cannot be told"),
    ):
        importer.load_tensors("model", "model.pkl")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_damaged_pickle_gives_tensors_or_one_error(data):
    pickled = described(
        Rebuilt("_rebuild_tensor", Stored(torch.FloatStorage, "0", 4), 0, (2, 2), (2, 1)), [1, {"k": None}]
    )
    mutant = bytearray(pickled)
    for _ in range(data.draw(st.integers(1, 4))):
        mutant[data.draw(st.integers(0, len(mutant) - 1))] = data.draw(st.integers(0, 255))
    with handmade(bytes(mutant), {"0": b"\0" * 16}) as importer:
        try:
            found = importer.load_tensors("model", "model.pkl")
        except ArchiveError:
            return
    assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())


@pytest.mark.parametrize("place", [0, 8, 30])
def test_a_tensor_that_does_not_lie_where_the_directory_says_is_refused_when_it_is_read(place: int) -> None:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.save_pickle("m", "m.pkl", [torch.rand(4) for _ in range(3)])
    data = bytearray(stream.getvalue())
    with ArchiveReader(bytes(data)) as archive:
        name = f"{archive.root}/.data/1.storage".encode()
    header = data.index(name) - 30
    data[header + place] ^= 1
    importer = PackageImporter(io.BytesIO(data))
    for read in (importer.load_pickle, importer.load_tensors):
        with pytest.raises(ArchiveError, match=r"damaged|1\.storage"):
            read("m", "m.pkl")
    with pytest.raises(ArchiveError):
        PackageImporter(io.BytesIO(data), verify="all")
