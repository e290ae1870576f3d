"""Views are compared by their elements, wherever these lie in their storages."""

from __future__ import annotations

import random
import struct
from itertools import product

import pytest

from hermpkg_build.inspection.diff.views import compare_views
from hermpkg_build.pickles.reading.tensors import Storage, Tensor

FORMATS = {"uint8": "B", "int16": "h", "float32": "f", "float64": "d", "complex128": "dd"}


def view(shape: tuple[int, ...], stride: tuple[int, ...], dtype: str = "int16") -> Tensor:
    storage = Storage(record="s", dtype=dtype, device="cpu", count=1000)
    return Tensor(storage=storage, dtype=dtype, shape=shape, stride=stride, offset=0)


def elements(tensor: Tensor, data: bytes) -> list[bytes]:
    """The bytes of each element, in the order of indices."""
    size = tensor.element_size
    places = (
        sum(index * step for index, step in zip(indices, tensor.stride, strict=True))
        for indices in product(*map(range, tensor.shape))
    )
    return [data[place * size : (place + 1) * size] for place in places]


@pytest.mark.parametrize("seed", range(60))
def test_elements_count_and_what_is_between_them_does_not(seed: int) -> None:
    """Random shapes and strides, of both sides alike or not, with steps of zero, against one by one."""
    rnd = random.Random(seed)
    dtype = rnd.choice(list(FORMATS))
    shape = tuple(rnd.randint(1, 4) for _ in range(rnd.randint(0, 3)))

    def any_view() -> Tensor:
        steps, step = [], rnd.choice([1, 1, 2])
        for length in rnd.sample(shape, len(shape)):
            steps.append(rnd.choice([step, step, 0]))
            step *= length * rnd.choice([1, 1, 2])
        return view(shape, tuple(rnd.sample(steps, len(steps))), dtype)

    a = any_view()
    b = a if rnd.random() < 0.5 else any_view()
    size = a.element_size
    left = bytearray(rnd.randbytes(a.span[1] * size))
    right = bytearray(left) if a is b else bytearray(rnd.randbytes(b.span[1] * size))
    right[rnd.randrange(len(right))] ^= 1
    found = compare_views([memoryview(left), memoryview(right)], (a, b), size)
    pairs = list(zip(elements(a, left), elements(b, right), strict=True))
    different = [place for place, (x, y) in enumerate(pairs) if x != y]
    assert found.total == len(pairs)
    if found.first is not None or not different:
        assert (found.count, found.first) == (len(different), different[0] if different else None)


def test_of_more_indices_than_can_be_looked_at_what_is_stored_is_compared() -> None:
    windows = view((10**6, 10**6), (1, 1), "uint8")
    data = bytes(windows.span[1]), bytes([1]) + bytes(windows.span[1] - 1)
    found = compare_views([memoryview(each) for each in data], (windows, windows), 1)
    assert (found.count, found.first) == (1, None)


def test_numbers_are_measured() -> None:
    data = [memoryview(struct.pack("<4f", *values)) for values in ((1, 2, 3, 4), (1, 9, 3.5, 4))]
    columns = view((2,), (2,), "float32")
    found = compare_views([each[:12] for each in data], (columns, columns), 4)
    assert (found.count, found.first, found.largest) == (1, 1, 0.5)
