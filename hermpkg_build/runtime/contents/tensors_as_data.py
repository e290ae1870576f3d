"""Makes tensors of what a pickle says of them, by torch alone: nothing that the pickle names is imported."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from hermpkg_build.archive.layout import DATA
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.errors import ArchiveError
from hermpkg_build.pickles.reading.flat_tensors import FlatTensor, flat_tensors
from hermpkg_build.pickles.reading.module_tensors import module_tensors
from hermpkg_build.pickles.reading.nodes import read_pickle
from hermpkg_build.pickles.reading.recipes import (
    NoRecipe,
    QuantizedRecipe,
    Recipe,
    SparseRecipe,
    StridedRecipe,
)
from hermpkg_build.pickles.reading.tensor_entries import TensorEntry, tensor_entries
from hermpkg_build.pickles.reading.tensors import Storage, Tensor
from hermpkg_build.printable import one_line
from hermpkg_build.runtime.contents.tensor_storages import (
    ALIGNMENT,
    StorageRecords,
    are_swapped,
    beyond_the_data,
    bytes_of_storage,
    restorer,
)

_LAYOUTS = ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
_PACKED = frozenset({"quint4x2", "quint2x4"})
_MOST_TOLD = 20


class TensorsNotReadError(ArchiveError):
    """Some tensors of a pickle cannot be made of data alone; `reasons` says of each, by name, why."""

    def __init__(self, file: str, record: str, reasons: Mapping[str, str]) -> None:
        told = list(reasons.items())[:_MOST_TOLD]
        more = len(reasons) - len(told)
        super().__init__(
            f"{len(reasons)} of the pickle's tensors cannot be made of data alone",
            facts=[("file", file), ("record", record), *told, *([("and", f"{more} more")] if more else [])],
            next_step="load_pickle makes them, and runs code of the artifact; strict=False leaves them out",
        )
        self.reasons: dict[str, str] = dict(reasons)


def entries_of_pickle(file: str, record: str, data: bytes) -> list[TensorEntry]:
    """Read the pickle `data`, the `record` of `file`, and list its tensors. Raises ArchiveError."""
    try:
        return tensor_entries(read_pickle(data), record)
    except ValueError as error:
        raise ArchiveError(
            "the tensors of a pickle cannot be told",
            facts=[("file", file), ("record", record), ("reason", str(error))],
        ) from None


def tensors_of_pickle(
    maker: TensorMaker, record: str, data: bytes, *, everything: bool = False, strict: bool = True
) -> dict[str, Any]:
    """Make the tensors of the pickle `data`, the `record` of the maker's file, by name.

    `everything` and `strict` are those of `PackageImporter.load_tensors`. Raises ArchiveError.
    """
    flat = flat_tensors(data)
    if flat is None and not everything:
        flat = module_tensors(data)
    if flat is not None:
        with paused_collection, suppress(CannotError):
            return maker.make_flat(flat)
    entries = entries_of_pickle(maker.file, record, data)
    chosen = entries if everything else [entry for entry in entries if entry.in_state]
    return make_tensors(chosen, maker, record, strict=strict)


def make_tensors(
    entries: Sequence[TensorEntry], maker: TensorMaker, record: str, *, strict: bool = True
) -> dict[str, Any]:
    """Make the tensors of `entries` by name; one that has several names is made once.

    Those that cannot be made of data raise TensorsNotReadError, all at once, or are left out and logged where
    it is not `strict`.
    """
    tensors: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    made: dict[int, Any] = {}
    with paused_collection:
        maker.fetch(
            entry.recipe.tensor.storage.record for entry in entries if isinstance(entry.recipe, StridedRecipe)
        )
        for entry in entries:
            tensor = made.get(entry.place)
            if tensor is None:
                try:
                    tensor = made[entry.place] = maker.make(entry.recipe)
                except CannotError as error:
                    reasons[entry.name] = str(error)
                    continue
            tensors[entry.name] = tensor
    if reasons and strict:
        raise TensorsNotReadError(maker.file, record, reasons)
    if reasons:
        import logging

        logger = logging.getLogger("hermpkg_build.runtime")
        for name, reason in reasons.items():
            logger.warning("%s: %s: left out %s: %s", maker.file, record, one_line(name), one_line(reason))
    return tensors


class CannotError(Exception):
    """A tensor cannot be made of data alone; the text says why."""


class TensorMaker:
    """Makes tensors of the storages in `records`; those of one storage share it.

    `mapped` means what it means for `ArchiveReader.private_views`; `map_location` what it means for
    torch.load, but that None leaves all tensors on the CPU.
    """

    def __init__(
        self,
        records: StorageRecords,
        *,
        mapped: bool | None = None,
        map_location: Any = None,
    ) -> None:
        self.file: str = records.name
        self._records = records
        self._mapped = mapped
        self._map_location = map_location
        self._restore: Callable[[Any, str], Any] | None = None
        self._storages: dict[str, Any] = {}
        self._dtypes: dict[str, Any] = {}
        self._is_foreign = are_swapped(records)

    @functools.cached_property
    def _view(self) -> Callable[[str], memoryview]:
        return self._records.private_views(self._mapped)

    @functools.cached_property
    def _torch(self) -> Any:
        import torch

        return torch

    def fetch(self, storages: Iterable[str]) -> None:
        """Have the bytes of these records at hand, which of thousands takes less time than one by one."""
        names = [name for name in dict.fromkeys(storages) if self._records.has(name)]
        if isinstance(self._records, ArchiveReader) and len(names) > 1:
            self._view = self._records.private_views(self._mapped, names)

    def make_flat(self, tensors: Mapping[str, FlatTensor]) -> dict[str, Any]:
        """Make the tensors of a state dict. Raises ArchiveError, `CannotError`."""
        records = {tensor.key: f"{DATA}{tensor.key}.storage" for tensor in tensors.values()}
        self.fetch(records.values())
        made: dict[str, Any] = {}
        storages, dtypes = self._storages, self._dtypes
        for name, (key, dtype, count, device, offset, shape, stride) in tensors.items():
            record = records[key]
            elements = storages.get(record)
            if elements is None or elements.dtype is not dtypes.get(dtype) or elements.numel() != count:
                storage = Storage(record=record, dtype=dtype, count=count, device=device)
                elements = self._elements(storage, self._dtype(dtype))
            try:
                made[name] = elements.as_strided(shape, stride, offset)
            except (RuntimeError, TypeError, OverflowError):
                self._refuse(
                    Tensor(
                        storage=Storage(record=record, dtype=dtype, count=count, device=device),
                        dtype=dtype,
                        shape=shape,
                        stride=stride,
                        offset=offset,
                    ),
                    elements.numel(),
                )
        # A tensor that has several names is one here, too.
        first: dict[int, Any] = {}
        return {name: first.setdefault(id(tensors[name]), tensor) for name, tensor in made.items()}

    def make(self, recipe: Recipe) -> Any:
        """Make one tensor. Raises ArchiveError where its data is not what the pickle says, CannotError."""
        if isinstance(recipe, StridedRecipe):
            return self._strided(recipe)
        if isinstance(recipe, NoRecipe):
            raise CannotError(recipe.reason)
        try:
            if isinstance(recipe, QuantizedRecipe):
                return self._quantized(recipe)
            return self._sparse(recipe)
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise CannotError(f"torch refuses it: {str(error).partition(chr(10))[0]}") from None

    def _strided(self, recipe: StridedRecipe) -> Any:
        tensor = recipe.tensor
        elements = self._elements(tensor.storage, self._dtype(tensor.dtype))
        try:
            made = elements.as_strided(tensor.shape, tensor.stride, tensor.offset)
        except (RuntimeError, TypeError, OverflowError):
            self._refuse(tensor, elements.numel())
        if recipe.is_conj:
            made = made.conj()
        return self._torch._neg_view(made) if recipe.is_negative else made

    def _elements(self, storage: Storage, dtype: Any) -> Any:
        """Return the elements of a storage, as many as it has, as a tensor of one dimension."""
        elements = self._storages.get(storage.record)
        if elements is None:
            elements = self._load(storage)
        if elements.dtype is not dtype or storage.count != elements.numel():
            elements = self._retyped(elements, storage, dtype)
        return elements

    def _refuse(self, tensor: Tensor, count: int) -> NoReturn:
        """Raise the error for a view of `count` elements that torch refuses."""
        self._check_reach(tensor, count)
        raise CannotError(f"torch knows no tensor of the shape {list(tensor.shape)[:70]}") from None

    def _load(self, storage: Storage) -> Any:
        """Return the elements of a storage as a tensor of one dimension."""
        torch = self._torch
        dtype = self._dtype(storage.dtype)
        size = storage.count * dtype.itemsize
        view = bytes_of_storage(self._records, self._view, storage.record, size)
        if not size:
            elements = torch.empty(0, dtype=dtype)
        elif dtype.is_floating_point or dtype.is_complex:
            elements = torch.frombuffer(view, dtype=dtype)
        else:
            # torch makes no tensor of bools or quantised numbers of a buffer that it trusts less.
            elements = torch.frombuffer(view, dtype=torch.uint8).view(dtype)
        if elements.data_ptr() % ALIGNMENT:
            elements = elements.clone()
        if self._is_foreign and size:
            elements.untyped_storage().byteswap(dtype)
        if self._map_location is not None:
            elements = self._placed(elements, storage)
        self._storages[storage.record] = elements
        return elements

    def _placed(self, elements: Any, storage: Storage) -> Any:
        torch = self._torch
        if self._restore is None:
            self._restore = restorer(self._map_location)
        typed = torch.storage.TypedStorage(
            wrap_storage=elements.untyped_storage(), dtype=elements.dtype, _internal=True
        )
        restored = self._restore(typed, storage.device)
        untyped = getattr(restored, "_untyped_storage", restored)
        return torch.empty(0, dtype=elements.dtype, device=untyped.device).set_(
            untyped, 0, (storage.count,), (1,)
        )

    def _retyped(self, elements: Any, storage: Storage, dtype: Any) -> Any:
        """Return the first elements of a storage, as many as `storage` has, as elements of another type."""
        size = storage.count * self._dtype(storage.dtype).itemsize
        own = (
            elements.view(self._torch.uint8)
            if elements.numel()
            else elements.new_empty(0, dtype=self._torch.uint8)
        )
        if size > own.numel():
            raise beyond_the_data(self.file, storage.record, own.numel())
        return own[: size - size % dtype.itemsize].view(dtype)

    def _check_reach(self, tensor: Tensor, count: int) -> None:
        offset, length = tensor.span
        if offset + length > count:
            raise beyond_the_data(
                self.file, tensor.storage.record, count * self._dtype(tensor.dtype).itemsize
            )

    def _dtype(self, name: str) -> Any:
        dtype = self._dtypes.get(name)
        if dtype is None:
            known = "uint8" if name == "UntypedStorage" else name
            dtype = getattr(self._torch, known, None) if name not in _PACKED else None
            if not isinstance(dtype, self._torch.dtype):
                raise CannotError(f"its elements are of the type {name}, which is read by no rule")
            self._dtypes[name] = dtype
        return dtype

    def _quantized(self, recipe: QuantizedRecipe) -> Any:
        torch, tensor = self._torch, recipe.tensor
        elements = self._storages.get(tensor.storage.record)
        if elements is None:
            elements = self._load(tensor.storage)
        dtype = self._dtype(tensor.dtype)
        self._check_reach(tensor, elements.numel() * elements.dtype.itemsize // dtype.itemsize)
        if recipe.axis is None:
            made = torch._empty_affine_quantized(
                (0,), scale=recipe.scale, zero_point=recipe.zero_point, dtype=dtype
            )
        else:
            if not isinstance(recipe.scale, StridedRecipe) or not isinstance(
                recipe.zero_point, StridedRecipe
            ):
                raise CannotError("its scales are no tensors")
            scales, zero_points = self._strided(recipe.scale), self._strided(recipe.zero_point)
            length = tensor.shape[recipe.axis] if 0 <= recipe.axis < len(tensor.shape) else -1
            if tuple(scales.shape) != (length,) or tuple(zero_points.shape) != (length,):
                raise CannotError("it has not one scale for each part")
            shape = [0] * len(tensor.shape)
            shape[recipe.axis] = length
            made = torch._empty_per_channel_affine_quantized(
                shape, scales=scales, zero_points=zero_points, axis=recipe.axis, dtype=dtype
            )
        return made.set_(elements.untyped_storage(), tensor.offset, tensor.shape, tensor.stride)

    def _sparse(self, recipe: SparseRecipe) -> Any:
        torch = self._torch
        *indices, values = [self._strided(part) for part in recipe.parts]
        if recipe.layout == "sparse_coo":
            return torch.sparse_coo_tensor(
                *indices, values, recipe.shape, check_invariants=True, is_coalesced=recipe.is_coalesced
            )
        return torch.sparse_compressed_tensor(
            *indices, values, recipe.shape, layout=getattr(torch, recipe.layout), check_invariants=True
        )
