"""The entries of a pickle's tensors: found by patterns where these find all there are, else node by node."""

from __future__ import annotations

from hermpkg_build.archive.layout import DATA
from hermpkg_build.pickles.reading.flat_tensors import FlatTensor, flat_tensors
from hermpkg_build.pickles.reading.module_tensors import only_module_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.recipes import StridedRecipe
from hermpkg_build.pickles.reading.tensor_entries import TensorEntry, tensor_entries
from hermpkg_build.pickles.reading.tensors import Storage, Tensor


def entries_of(data: bytes, record: str) -> list[TensorEntry]:
    """List the tensors of the pickle `data`, as `tensor_entries` lists those of its object.

    Raises ValueError as that does, and where `data` is no pickle that makes sense.
    """
    found = flat_tensors(data)
    if found is None:
        found = only_module_tensors(data)
    if found is None:
        return tensor_entries(read_pickle(data), record)
    return [
        TensorEntry(name=name, recipe=StridedRecipe(tensor=_tensor(flat)), place=id(flat))
        for name, flat in found.items()
    ]


def _tensor(flat: FlatTensor) -> Tensor:
    storage = Storage(
        record=f"{DATA}{flat.key}.storage", dtype=flat.dtype, count=flat.elements, device=flat.device
    )
    return Tensor(storage=storage, dtype=flat.dtype, shape=flat.shape, stride=flat.stride, offset=flat.offset)
