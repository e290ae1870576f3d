"""Whatever a pickle says of sizes, a tensor holds the bytes of its record and no other memory."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

import pytest

from hermpkg_build.errors import ArchiveError

torch = pytest.importorskip("torch")


class Saved(pickle.Pickler):
    """Pickles storages as torch.package does, with a size of our choice."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, size: int, key: str = "0") -> None:
        self.identity = ("storage", torch.FloatStorage, key, "cpu", size)


class Tensor:
    def __init__(self, storage: Storage, shape: tuple[int, ...], offset: int = 0) -> None:
        self.arguments = (storage, offset, shape, (1,) * len(shape), False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, self.arguments


def pickled(value: Any) -> bytes:
    stream = io.BytesIO()
    Saved(stream, protocol=3).dump(value)
    return stream.getvalue()


def files(value: Any, data: bytes) -> dict[str, bytes]:
    return {
        "m/m.pkl": pickled(value),
        ".data/0.storage": data,
        ".data/extern_modules": b"torch\ntorch._utils\ncollections\n",
    }


@pytest.mark.parametrize(
    ("size", "shape", "offset"),
    [(0, (1000,), 0), (-1, (8,), 0), (-(2**62), (1,), 0), (4, (8,), 0), (9, (8,), 0), (2**61, (8,), 0)],
)
def test_a_size_that_the_record_has_not(load: Any, size: int, shape: tuple[int, ...], offset: int) -> None:
    importer = load(files(Tensor(Storage(size), shape, offset), bytes(32)))
    with pytest.raises(ArchiveError, match="has another size than the pickle says"):
        importer.load_pickle("m", "m.pkl")


def test_a_tensor_beyond_an_empty_record(load: Any) -> None:
    importer = load(files(Tensor(Storage(0), (1000,)), b""))
    with pytest.raises(ArchiveError, match="reaches beyond its data"):
        importer.load_pickle("m", "m.pkl")


@pytest.mark.parametrize(("shape", "offset"), [((9,), 0), ((1,), 8), ((2**40,), 0)])
def test_a_tensor_beyond_its_record(load: Any, shape: tuple[int, ...], offset: int) -> None:
    importer = load(files(Tensor(Storage(8), shape, offset), bytes(32)))
    with pytest.raises((ArchiveError, RuntimeError)):
        importer.load_pickle("m", "m.pkl")


def test_another_size_for_a_storage_that_is_loaded(load: Any) -> None:
    importer = load(files([Tensor(Storage(8), (8,)), Tensor(Storage(16), (16,))], bytes(32)))
    with pytest.raises(ArchiveError, match="reaches beyond its data"):
        importer.load_pickle("m", "m.pkl")


@pytest.mark.parametrize(
    "identity",
    [
        ("storage", torch.FloatStorage, "0", "cpu", "8"),
        ("storage", torch.FloatStorage, "0", "cpu", None),
        ("storage", torch.FloatStorage, "0", "cpu", 8.0),
        ("storage", torch.FloatStorage, [], "cpu", 8),
        ("storage", torch.FloatStorage, "0", None, 8),
        ("storage", 7, "0", "cpu", 8),
        ("storage", torch.FloatStorage, "0", "cpu"),
    ],
)
def test_what_is_no_storage(load: Any, identity: tuple[Any, ...]) -> None:
    storage = Storage(8)
    storage.identity = identity
    with pytest.raises(pickle.UnpicklingError, match="not a persistent id of a package"):
        load(files(storage, bytes(32))).load_pickle("m", "m.pkl")


def test_right_sizes(load: Any) -> None:
    value = [Tensor(Storage(8), (8,)), Tensor(Storage(8), (2,), 6)]
    first, second = load(files(value, bytes(range(32)))).load_pickle("m", "m.pkl")
    assert first.shape == (8,)
    assert torch.equal(first[6:], second)
    (empty,) = load(files([Tensor(Storage(0), (0,))], b"")).load_pickle("m", "m.pkl")
    assert empty.numel() == 0
