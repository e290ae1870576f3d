"""Canonical pickles of what is torch's: storages, tensors of every kind, modules."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.pickles import storages as storages_module
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.pickled import GlobalReference, PickledObject
from hermpkg_build.pickles.storages import StorageCopy, chunks, copy_storages

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

PROTOCOLS = [3, 4, 5]
HAS_UNSIGNED = torch.uint16 in torch.storage._new_dtypes()
"""Whether this version of torch can pickle its unsigned types: 2.4 cannot."""


class Loader(pickle.Unpickler):
    """Resolves persistent ids as the stock importer does, from the storages themselves."""

    def __init__(self, pickled: PickledObject) -> None:
        super().__init__(io.BytesIO(pickled.data))
        self.storages = pickled.storages

    def persistent_load(self, pid: Any) -> Any:
        kind, storage_type, key, location, numel = pid
        assert kind == "storage"
        untyped: Any = self.storages[key]
        assert location == untyped.device.type
        dtype = torch.uint8 if storage_type is torch.UntypedStorage else storage_type.dtype
        assert numel == untyped.nbytes() // torch.empty(0, dtype=dtype).element_size()
        return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)


def round_trip(obj: Any, protocol: int = 3) -> Any:
    return Loader(pickle_canonically(obj, protocol=protocol)).load()


def tensors() -> dict[str, Any]:
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "base": base,
        "transposed": base.t(),
        "part": base[1:, ::2],
        "empty": torch.zeros(0),
        "no_elements": torch.zeros(3, 0, 2),
        "scalar": torch.tensor(3),
        "bool": torch.tensor([True, False]),
        "bfloat16": torch.ones(3, dtype=torch.bfloat16),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        **({"uint16": torch.ones(3, dtype=torch.uint16)} if HAS_UNSIGNED else {}),
        "complex": torch.ones(2, dtype=torch.complex64) * (1 + 2j),
        "conjugate": (torch.ones(2, dtype=torch.complex64) * (1 + 2j)).conj(),
        "negative": torch.imag((torch.ones(2, dtype=torch.complex64) * (1 + 2j)).conj()),
        "sparse": torch.eye(3).to_sparse(),
        "sparse_csr": torch.eye(3).to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(torch.ones(4), 0.5, 1, torch.quint8),
        "quantised_channels": torch.quantize_per_channel(
            torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8
        ),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "leaf": torch.ones(2, requires_grad=True),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_of_every_kind_come_back(protocol: int) -> None:
    made = tensors()
    loaded = round_trip(made, protocol)
    assert loaded.keys() == made.keys()
    for name, tensor in made.items():
        again = loaded[name]
        assert type(again) is type(tensor), name
        assert (again.dtype, again.shape, again.layout) == (tensor.dtype, tensor.shape, tensor.layout), name
        assert again.requires_grad == tensor.requires_grad, name
        assert (again.is_conj(), again.is_neg()) == (tensor.is_conj(), tensor.is_neg()), name
        if tensor.layout is torch.strided:
            assert again.stride() == tensor.stride(), name
        plain = [t.dequantize() if t.is_quantized else t.to_dense() for t in (tensor, again)]
        assert plain[0].tolist() == plain[1].tolist(), name
    assert (
        pickle_canonically(loaded, protocol=protocol).data == pickle_canonically(made, protocol=protocol).data
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_views_share_one_storage(protocol: int) -> None:
    base = torch.arange(6.0)
    made = [base, base[2:], base.view(2, 3), base.view(torch.int32), base.untyped_storage()]
    pickled = pickle_canonically(made, protocol=protocol)
    assert len(pickled.storages) == 1
    loaded = Loader(pickled).load()
    loaded[0][2] = 42.0
    assert loaded[1][0] == loaded[2][0, 2] == 42.0


def coalesced(garbage: int) -> Any:
    """A coalesced tensor whose unwritten memory, as torch leaves it, has been made `garbage`."""
    indices = torch.tensor([[0, 1, 1, 0], [2, 0, 0, 2]])
    made = torch.sparse_coo_tensor(indices, torch.ones(4), (2, 3)).coalesce()
    for part in (made._indices(), made._values()):
        shown = part.clone()
        part.untyped_storage().fill_(garbage)
        part.copy_(shown)
    assert made._indices().untyped_storage().nbytes() > made._indices().nbytes
    return made


def columns(garbage: int) -> Any:
    made = torch.eye(3).to_sparse_csr()
    part = made.col_indices()
    if part.untyped_storage().nbytes() > part.nbytes:
        shown = part.clone()
        part.untyped_storage().fill_(garbage)
        part.copy_(shown)
    return made


def with_attribute(tensor: Any) -> Any:
    tensor.note = "kept"
    return tensor


@pytest.mark.parametrize(
    "make",
    [
        coalesced,
        columns,
        lambda garbage: torch.nn.Parameter(coalesced(garbage)),
        lambda garbage: with_attribute(coalesced(garbage)),
        lambda garbage: (lambda one: [one, one, one.detach(), one * 2])(coalesced(garbage)),
        lambda garbage: {coalesced(garbage), coalesced(255 - garbage) * 2, 1},
        lambda garbage: {coalesced(garbage), coalesced(garbage // 3) + coalesced(garbage)},
    ],
)
def test_what_sparse_tensors_leave_unwritten_is_not_in_a_pickle(make: Any) -> None:
    one, other = (pickle_canonically(make(garbage)) for garbage in (0, 170))
    assert one.data == other.data
    assert [bytes(b"".join(chunks(s))) for s in one.storages] == [
        bytes(b"".join(chunks(s))) for s in other.storages
    ]


def test_a_sparse_tensor_comes_back_from_memory_that_is_cleared() -> None:
    made = coalesced(170)
    again = Loader(pickle_canonically(made)).load()
    assert again.is_coalesced()
    assert again.to_dense().tolist() == made.to_dense().tolist()
    assert again._indices().stride() == made._indices().stride()
    assert made._values().untyped_storage()[-1] == 170


@pytest.mark.parametrize("dense_first", [False, True])
def test_memory_that_a_dense_tensor_shows_too_is_whole(dense_first: bool) -> None:
    values = torch.arange(8.0)
    sparse = torch.sparse_coo_tensor(torch.tensor([[0, 1]]), values[2:4], (3,))
    shown = [values, sparse] if dense_first else [sparse, values]
    loaded = Loader(pickle_canonically(shown)).load()
    again, whole = loaded[::-1] if dense_first else loaded
    assert whole.tolist() == values.tolist()
    whole[2] = 42.0
    assert again.to_dense().tolist() == [42.0, 3.0, 0.0]


def test_values_that_overlap_are_all_kept() -> None:
    values = torch.arange(8.0).as_strided((3, 2), (1, 1), 2)
    sparse = torch.sparse_coo_tensor(torch.tensor([[0, 1, 2]]), values, (3, 2))
    again = Loader(pickle_canonically(sparse)).load()
    assert again.to_dense().tolist() == [[2.0, 3.0], [3.0, 4.0], [4.0, 5.0]]


def test_memory_is_shared_by_identity_and_not_by_content() -> None:
    assert len(pickle_canonically([torch.zeros(3), torch.zeros(3)]).storages) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_key_offsets_are_where_the_keys_are(protocol: int) -> None:
    made = [torch.full((2,), float(number)) for number in range(3)]
    made.append(made[0].view(2, 1))
    pickled = pickle_canonically(made, protocol=protocol)
    assert [key for _, key in pickled.key_offsets] == [0, 1, 2, 0]
    data = bytearray(pickled.data)
    for offset, key in pickled.key_offsets:
        assert data[offset - 1 : offset] == b"J"
        assert int.from_bytes(data[offset : offset + 4], "little") == key
        data[offset : offset + 4] = (2 - key).to_bytes(4, "little")
    renumbered = PickledObject(data=bytes(data), storages=pickled.storages[::-1])
    assert [tensor.flatten().tolist() for tensor in Loader(renumbered).load()] == [
        [0.0, 0.0],
        [1.0, 1.0],
        [2.0, 2.0],
        [0.0, 0.0],
    ]


def test_other_values_of_torch_come_back() -> None:
    generator = torch.Generator()
    generator.manual_seed(5)
    made = [
        torch.float8_e5m2,
        torch.Size([2, 3]),
        torch.device("cpu"),
        torch.strided,
        torch.channels_last,
        torch.per_tensor_affine,
        torch.nn.functional.relu,
        generator,
        torch.finfo,
    ]
    loaded = round_trip(made)
    assert loaded[:7] == made[:7]
    assert loaded[7].initial_seed() == 5


def test_a_meta_tensor_needs_no_storage() -> None:
    pickled = pickle_canonically(torch.empty(10, 10, device="meta"))
    assert pickled.storages == ()
    assert Loader(pickled).load().is_meta


def test_tied_parameters_stay_tied() -> None:
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    loaded = round_trip(torch.nn.Sequential(first, second))
    assert loaded[0].weight is loaded[1].weight


def test_a_set_of_parameters_is_ordered_by_what_they_hold() -> None:
    def graph(order: list[int]) -> Any:
        made = {number: torch.nn.Parameter(torch.full((2,), float(number))) for number in order}
        return {"all": set(made.values())}

    expected = pickle_canonically(graph([0, 1, 2, 3]))
    contents = [list(map(bytes, chunks(storage))) for storage in expected.storages]
    for order in ([3, 1, 0, 2], [2, 3, 1, 0], [1, 0, 3, 2]):
        pickled = pickle_canonically(graph(order))
        assert pickled.data == expected.data
        assert [list(map(bytes, chunks(storage))) for storage in pickled.storages] == contents


def test_a_path_through_modules_reads_as_one_writes_it() -> None:
    model = torch.nn.ModuleDict({"layer": torch.nn.Sequential(torch.nn.ReLU(), torch.nn.ReLU())})
    model.layer[1].hook = lambda: 1
    with pytest.raises(UnpicklableError) as caught:
        pickle_canonically(model, name="model")
    assert caught.value.path == "model.layer[1].hook"


def test_hooks_that_can_be_pickled_are() -> None:
    model = torch.nn.Linear(1, 1)
    model.register_forward_hook(torch.nn.functional.relu)
    (hook,) = round_trip(model)._forward_hooks.values()
    assert hook is torch.nn.functional.relu


def hooked(count: int) -> Any:
    """A module with hooks of each kind, and their handles, in a process that had `count` hooks before."""
    for _ in range(count):
        torch.nn.Linear(1, 1).register_forward_hook(print)
    model = torch.nn.Linear(1, 1)
    model.register_forward_pre_hook(len)
    model.first = model.register_forward_hook(print)
    model.second = model.register_forward_hook(repr, with_kwargs=True, prepend=True)
    model.third = model.register_forward_hook(str, always_call=True)
    model.gone = model.register_forward_hook(sorted)
    model.gone.remove()
    torch.nn.init.ones_(model.weight)
    torch.nn.init.ones_(model.bias)
    return model


@pytest.mark.parametrize("handles_first", [False, True])
def test_hooks_pickle_the_same_whatever_was_hooked_before(handles_first: bool) -> None:
    def pickled(count: int) -> bytes:
        model = hooked(count)
        return pickle_canonically([model.third, model, model.gone] if handles_first else model).data

    assert pickled(0) == pickled(7)


def test_a_hook_of_a_later_process_replaces_none_that_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = round_trip(hooked(3))
    assert list(loaded._forward_hooks.values()) == [repr, print, str]
    loaded.second.remove()
    loaded.gone.remove()
    again = round_trip(loaded)
    monkeypatch.setattr(torch.utils.hooks.RemovableHandle, "next_id", 0)
    for _ in range(6):
        again.register_forward_hook(abs)
        again.register_forward_pre_hook(abs)
    assert list(again._forward_hooks.values()) == [print, str, *[abs] * 6]
    assert list(again._forward_pre_hooks.values()) == [len, *[abs] * 6]
    assert [again._forward_hooks[key] for key in again._forward_hooks_always_called] == [str]
    assert not again._forward_hooks_with_kwargs


def test_tables_of_hooks_that_are_met_before_their_module_stay_as_they_are() -> None:
    model = hooked(2)
    table, loaded = round_trip([model._forward_hooks, model])
    assert table is loaded._forward_hooks
    loaded.second.remove()
    assert list(table.values()) == [print, str]
    assert [table[key] for key in loaded._forward_hooks_always_called] == [str]


def identity(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: torch.ones(2, 2).to_mkldnn(), "to_dense"),
        (lambda: torch.ones(2, dtype=torch.uint8).view(torch.uint4), "view"),
        (lambda: torch.jit.script(identity), "module"),
    ],
)
def test_what_torch_cannot_pickle_is_told_with_what_to_keep_instead(make: Any, advice: str) -> None:
    with pytest.raises(UnpicklableError, match=f"keep .*{advice}"):
        pickle_canonically([make()])


def test_an_lstm_a_transformer_and_an_optimiser_come_back() -> None:
    torch.manual_seed(1)
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16), 2)
    model = torch.nn.ModuleList([torch.nn.LSTM(4, 3, 2), encoder])
    optimiser = torch.optim.AdamW(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimiser.step()
    made = {"model": model, "optimiser": optimiser}
    loaded = round_trip(made)
    data = torch.ones(2, 1, 8)
    assert torch.equal(loaded["model"].eval()[1](data), model.eval()[1](data))
    (group,) = loaded["optimiser"].param_groups
    assert group["params"][0] is next(iter(loaded["model"].parameters()))


def stock_loads_storages() -> bool:
    """Whether torch's own importer loads untyped storages: those of old versions fail."""
    stream = io.BytesIO()
    with torch.package.PackageExporter(stream) as exporter:
        exporter.extern("**")
        exporter.save_pickle("m", "m.pkl", torch.ones(2).untyped_storage())
    stream.seek(0)
    try:
        torch.package.PackageImporter(stream).load_pickle("m", "m.pkl")
    except AttributeError:
        return False
    return True


def test_the_stock_importer_reads_it(tmp_path: Path) -> None:
    made = {"model": torch.nn.Linear(2, 3), "set": {1, "two"}}
    if stock_loads_storages():
        made["storage"] = torch.ones(2).untyped_storage()
    pickled = pickle_canonically(made)
    path = tmp_path / "archive.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/.data/version", "6\n")
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/.data/extern_modules", "torch\nbuiltins\ncollections\n")
        archive.writestr("archive/model/model.pkl", pickled.data)
        for key, storage in enumerate(pickled.storages):
            copy_storages([StorageCopy(storage=storage, path=str(tmp_path / f"{key}"))])
            archive.write(tmp_path / f"{key}", f"archive/.data/{key}.storage")
    importer = torch.package.PackageImporter(str(path))
    importer.extern_modules = ["torch", "builtins", "collections"]
    loaded = importer.load_pickle("model", "model.pkl")
    assert torch.equal(loaded["model"].weight, made["model"].weight)
    assert loaded["set"] == {1, "two"}


@pytest.mark.parametrize("segment", [32 << 20, 1 << 20, 999_999])
def test_storages_are_written_as_they_lie_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment: int
) -> None:
    import zlib

    monkeypatch.setattr(storages_module, "_SEGMENT", segment)
    tensors = [torch.arange(3_000_000, dtype=torch.int32), torch.zeros(0), torch.ones(7, dtype=torch.uint8)]
    copies = [
        StorageCopy(storage=tensor.untyped_storage(), path=str(tmp_path / f"{key}.storage"))
        for key, tensor in enumerate(tensors)
    ]
    for tensor, copy, stored in zip(tensors, copies, copy_storages(copies), strict=True):
        data = Path(copy.path).read_bytes()
        assert data == tensor.numpy().tobytes()
        assert stored.digest == Digest.of(data)
        assert stored.crc32 == zlib.crc32(data)


def test_several_storages_lie_in_one_file_where_they_were_sent(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    tensors = [torch.arange(10, dtype=torch.uint8), torch.arange(10, 20, dtype=torch.uint8)]
    copy_storages(
        [
            StorageCopy(storage=tensor.untyped_storage(), path=str(file), offset=offset)
            for tensor, offset in zip(tensors, [90, 10], strict=True)
        ]
    )
    assert file.read_bytes() == b"x" * 10 + bytes(range(10, 20)) + b"x" * 70 + bytes(range(10))


def test_a_storage_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    storage = torch.ones(3).untyped_storage()
    with pytest.raises(FileNotFoundError):
        copy_storages([StorageCopy(storage=storage, path=str(tmp_path / "none" / "0.storage"))])


def test_names_of_storage_types() -> None:
    pickled = pickle_canonically([torch.ones(1), torch.ones(1, dtype=torch.int8)])
    assert {GlobalReference("torch", "FloatStorage"), GlobalReference("torch", "CharStorage")} <= set(
        pickled.globals
    )
