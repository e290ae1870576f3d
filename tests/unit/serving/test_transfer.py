"""Values reach another process as they are: tensors of any type and layout, arrays, large bytes."""

from __future__ import annotations

import math
import pickle

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.serving.transfer import PackagedClassError, pack, unpack

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.float8_e4m3fn,
]


def sent(value, *, copied=False, prefix=None):
    return unpack([bytes(part) for part in pack(value, copied=copied)], prefix)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape or not one.numel():
        return one.dtype == other.dtype and one.shape == other.shape
    return bits(one) == bits(other)


def bits(tensor: torch.Tensor) -> list[int]:
    return torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.flatten()).view(torch.uint8).tolist()


@st.composite
def views(draw) -> torch.Tensor:
    """A tensor as code leaves it: transposed, sliced, expanded, with an offset, or empty."""
    shape = draw(st.lists(st.integers(0, 7), min_size=1, max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(torch.float32).to(dtype)
    for step in draw(st.lists(st.sampled_from(["transpose", "slice", "row", "expand"]), max_size=3)):
        if step == "transpose":
            tensor = tensor.transpose(0, -1)
        elif step == "slice":
            tensor = tensor[..., draw(st.integers(0, 3)) :: draw(st.integers(1, 3))]
        elif step == "row" and tensor.dim() > 1 and tensor.shape[0]:
            tensor = tensor[draw(st.integers(0, tensor.shape[0] - 1))]
        elif step == "expand":
            tensor = tensor.unsqueeze(0).expand(2, *tensor.shape)
    return tensor


@given(views())
def test_a_tensor_arrives_as_it_is(tensor):
    assert same(sent(tensor), tensor)


@given(views(), st.booleans())
def test_a_tensor_in_containers_with_its_gradient_flag(tensor, grad):
    tensor = tensor.detach()
    tensor.requires_grad = grad and (tensor.is_floating_point() or tensor.is_complex())
    result = sent({"a": [tensor, (1, "x")]})["a"]
    assert same(result[0].detach(), tensor.detach())
    assert result[0].requires_grad == tensor.requires_grad
    assert result[1] == (1, "x")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(3).to_sparse(),
        torch.eye(4).to_sparse_csr(),
        torch.tensor([1 + 2j]).conj(),
        torch.nn.Parameter(torch.ones(2, 2)),
        torch.ones(2, device="meta"),
        torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last),
    ],
    ids=["sparse", "csr", "conjugate", "parameter", "meta", "channels last"],
)
def test_other_layouts(tensor):
    result = sent(tensor)
    assert (type(result), result.layout, result.device) == (type(tensor), tensor.layout, tensor.device)
    if tensor.device.type == "cpu":
        assert torch.equal(result.to_dense(), tensor.to_dense())
    if tensor.layout is torch.strided:
        assert result.stride() == tensor.stride()


def test_a_module_of_torch_arrives():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()
    x = torch.randn(2, 3)
    assert torch.equal(sent(module)(x), module(x))


def test_whole_storages_stay_shared():
    tensor = torch.zeros(4, 1000)
    one, other = sent((tensor, tensor.t()))
    one.fill_(1)
    assert bool((other == 1).all())


def test_a_row_takes_the_bytes_of_a_row():
    """And a column those of a column, not what lies between its elements."""
    large = torch.zeros(1000, 1000)
    assert sum(map(len, pack(large[3]))) < 10_000
    assert sum(map(len, pack(large[:, 3]))) < 10_000
    assert sum(map(len, pack(large))) > 4_000_000


def test_what_arrives_can_be_written_to():
    tensor, array = sent((torch.zeros(5000), numpy.zeros(5000)))
    tensor += 1
    array += 1
    assert tensor.sum() == array.sum() == 5000


def test_copied_parts_do_not_show_what_becomes_of_a_tensor():
    tensor = torch.zeros(5000)
    snapshot, shared = pack(tensor, copied=True), pack(tensor)
    tensor += 1
    assert unpack(snapshot, None).sum() == 0
    assert unpack(shared, None).sum() == 5000


def test_what_was_unpacked_does_not_show_what_becomes_of_its_parts():
    parts = [bytearray(part) for part in pack((torch.ones(5000), b"x" * 5000))]
    tensor, data = unpack(parts, None)
    for part in parts:
        part[:] = bytes(len(part))
    assert tensor.sum() == 5000
    assert data == b"x" * 5000


@given(st.binary(max_size=20_000), st.integers(), st.text())
def test_other_values_as_pickle_does(data, number, text):
    value = {"data": data, "number": number, "text": text, "array": numpy.frombuffer(data, numpy.uint8)}
    result = sent(value)
    assert numpy.array_equal(result.pop("array"), value.pop("array"))
    assert result == value


@pytest.fixture
def importers(tmp_path):
    """Two importers of one artifact, as two processes have them."""
    path = str(tmp_path / "app.pt")
    with PackageExporter(path) as exporter:
        exporter.save_source_string("app.words", "class Word:\n    pass\n\ndef count(): pass\n")
    with PackageImporter(path) as one, PackageImporter(path) as other:
        yield one, other


@pytest.mark.parametrize("name", ["Word", "count"])
def test_packaged_names_are_found_by_the_importer_of_the_receiver(importers, name):
    one, other = importers
    found = getattr(one.import_module("app.words"), name)
    assert sent([found], prefix=other.id()) == [getattr(other.import_module("app.words"), name)]
    with pytest.raises(PackagedClassError, match=r"app\.words"):
        sent(found)


def test_an_object_of_a_packaged_class(importers):
    one, other = importers
    word = one.import_module("app.words").Word()
    word.tensor = torch.ones(3)
    result = sent(word, prefix=other.id())
    assert type(result) is other.import_module("app.words").Word
    assert result.tensor.tolist() == [1, 1, 1]


def test_what_cannot_be_pickled_is_an_error_of_pickle():
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pack(lambda: None)


@given(st.lists(views(), max_size=3))
def test_tensors_are_made_on_the_device_of_who_receives_them(tensors):
    value = {
        "views": tensors,
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "sparse": torch.eye(3).to_sparse(),
    }
    result = unpack([bytes(part) for part in pack(value)], None, "meta")
    made = [*result["views"], result["parameter"], result["sparse"]]
    assert {each.device.type for each in made} == {"meta"}
    for one, other in zip(sent(tensors), result["views"], strict=True):
        assert (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)


def test_storages_that_were_shared_are_on_a_device_too():
    tensor = torch.zeros(4, 1000)
    one, other = unpack([bytes(part) for part in pack((tensor, tensor.t()))], None, "meta")
    assert one.untyped_storage()._cdata == other.untyped_storage()._cdata
