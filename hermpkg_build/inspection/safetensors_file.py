"""Writes tensors as a safetensors file, aside, and moves it when it is whole.

Its bytes depend on names and tensors alone. Those of most tensors lie in the file that is read as they are to
be written, and are copied; torch is imported only to gather those that do not.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod

from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError
from hermpkg_build.inspection.tensor_files import TensorFile
from hermpkg_build.pickles.reading.recipes import NoRecipe, QuantizedRecipe, SparseRecipe, StridedRecipe
from hermpkg_build.pickles.reading.tensor_entries import TensorEntry
from hermpkg_build.runtime.contents.tensors_as_data import CannotError, TensorMaker

_TYPES = {
    "float64": ("F64", 8),
    "int64": ("I64", 8),
    "uint64": ("U64", 8),
    "complex64": ("C64", 8),
    "float32": ("F32", 4),
    "int32": ("I32", 4),
    "uint32": ("U32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "int16": ("I16", 2),
    "uint16": ("U16", 2),
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e4m3fnuz": ("F8_E4M3FNUZ", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", 1),
    "int8": ("I8", 1),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}
"""The types that the format knows, with the bytes that an element takes."""

_METADATA = "__metadata__"
_LARGEST_HEADER = 100_000_000
_MOST_GROWTH = 64
_ALWAYS_WRITTEN = 16 << 20
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTensors:
    """What was written: how many tensors in how many bytes.

    `shared` are groups of names whose tensors have data in common, which the format cannot say: each has a
    copy.
    """

    tensors: int
    bytes: int
    shared: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    entry: TensorEntry
    recipe: StridedRecipe
    kind: str
    size: int
    begin: int


def why_unwritable(entry: TensorEntry) -> str:
    """Return why the format has no place for a tensor, "" where it has one."""
    recipe = entry.recipe
    if isinstance(recipe, NoRecipe):
        return recipe.reason
    if isinstance(recipe, SparseRecipe):
        return f"safetensors has no sparse tensors ({recipe.layout})"
    if isinstance(recipe, QuantizedRecipe) or recipe.tensor.dtype not in _TYPES:
        return f"safetensors has no type for elements of {recipe.tensor.dtype}"
    if entry.name == _METADATA:
        return "safetensors keeps this name for itself"
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "its name is no text that UTF-8 can write"
    return ""


def write_safetensors(path: str, file: TensorFile, entries: Sequence[TensorEntry]) -> WrittenTensors:
    """Write the tensors of `entries`, all of which the format has a place for, to `path`.

    Raises ArchiveError where a tensor's data is not what its pickle says, or where views of little data would
    become much; LocalEnvironmentError where the file cannot be written. What was at `path` then stays.
    """
    items = _items(entries)
    total = sum(item.size for item in items)
    if total > max(_ALWAYS_WRITTEN, _MOST_GROWTH * file.size):
        raise ArchiveError(
            "the tensors would take more space than their data explains",
            facts=[("file", file.name), ("file's size", size_text(file.size)), ("tensors", size_text(total))],
            next_step="do not trust the file if it was sent to you: its tensors show little data many times",
        )
    header = _header(items)
    try:
        os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        with NewFile(os.path.dirname(path)) as new:
            write_all(new.descriptor, header)
            for data in _contents(items, file):
                write_all(new.descriptor, data)
            new.replace(path)
    except OSError as error:
        raise LocalEnvironmentError(
            "the tensors cannot be written", facts=[("file", path), ("reason", error.strerror or str(error))]
        ) from None
    return WrittenTensors(tensors=len(items), bytes=len(header) + total, shared=_shared(items))


def _items(entries: Sequence[TensorEntry]) -> list[_Item]:
    """Return the tensors in the order that the format wants: the widest elements first, then by name."""
    found: list[tuple[int, str, TensorEntry, StridedRecipe]] = []
    for entry in entries:
        if isinstance(entry.recipe, StridedRecipe):
            width = _TYPES[entry.recipe.tensor.dtype][1]
            found.append((-width, entry.name, entry, entry.recipe))
    found.sort(key=lambda each: each[:2])
    items: list[_Item] = []
    begin = 0
    for width, _, entry, recipe in found:
        size = -width * prod(recipe.tensor.shape)
        kind = _TYPES[recipe.tensor.dtype][0]
        items.append(_Item(entry=entry, recipe=recipe, kind=kind, size=size, begin=begin))
        begin += size
    return items


def _header(items: Sequence[_Item]) -> bytes:
    table = {
        item.entry.name: {
            "dtype": item.kind,
            "shape": list(item.recipe.tensor.shape),
            "data_offsets": [item.begin, item.begin + item.size],
        }
        for item in items
    }
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _LARGEST_HEADER:
        raise ArchiveError(
            f"the names of {counted(len(items), 'tensor')} are longer than a safetensors file may have them"
        )
    return len(text).to_bytes(8, "little") + text


def _contents(items: Sequence[_Item], file: TensorFile) -> Iterator[memoryview]:
    """Give the bytes of each tensor, one after the other."""
    view = file.records.private_views(True)
    maker: TensorMaker | None = None
    lies_ready = sys.byteorder == "little" and not _is_foreign(file)
    for item in items:
        if not item.size:
            continue
        data = _ready(item, view, file) if lies_ready else None
        if data is None:
            maker = maker or TensorMaker(file.records, mapped=True)
            data = _gathered(item, maker)
        yield data


def _is_foreign(file: TensorFile) -> bool:
    from hermpkg_build.archive.layout import BYTEORDER

    return file.records.has(BYTEORDER) and file.records.read(BYTEORDER).strip() != b"little"


def _ready(item: _Item, view: Callable[[str], memoryview], file: TensorFile) -> memoryview | None:
    """Return a tensor's bytes where they lie in its storage as they are to be written."""
    recipe = item.recipe
    tensor = recipe.tensor
    storage = tensor.storage
    if (
        not tensor.is_contiguous
        or recipe.is_conj
        or recipe.is_negative
        or not file.records.has(storage.record)
    ):
        return None
    width = _TYPES[tensor.dtype][1]
    known = _TYPES.get(storage.dtype)
    storage_width = 1 if storage.dtype == "UntypedStorage" else known[1] if known else 0
    data = view(storage.record)
    begin = tensor.offset * width
    if not storage_width or len(data) != storage.count * storage_width or begin + item.size > len(data):
        return None
    return data[begin : begin + item.size]


def _gathered(item: _Item, maker: TensorMaker) -> memoryview:
    """Return a tensor's bytes in the order of its indices, gathered by torch."""
    import ctypes

    import torch

    try:
        made = maker.make(item.recipe).resolve_conj().resolve_neg().contiguous()
    except CannotError as error:
        raise ArchiveError(
            f"the tensor {item.entry.name!r} cannot be made of data alone",
            facts=[("file", maker.file), ("reason", str(error))],
        ) from None
    if sys.byteorder == "big":
        made = made.clone()
        made.untyped_storage().byteswap(made.dtype)
    flat = made.reshape(-1).view(torch.uint8)
    data = memoryview(bytearray(flat.numel()))
    ctypes.memmove((ctypes.c_char * len(data)).from_buffer(data), flat.data_ptr(), len(data))
    return data


def _shared(items: Sequence[_Item]) -> tuple[tuple[str, ...], ...]:
    """Return the names of tensors that have data in common, group by group."""
    by_storage: dict[str, list[tuple[int, int, str]]] = {}
    for item in items:
        offset, length = item.recipe.tensor.span
        if length:
            by_storage.setdefault(item.recipe.tensor.storage.record, []).append(
                (offset, offset + length, item.entry.name)
            )
    groups: list[tuple[str, ...]] = []
    for spans in by_storage.values():
        spans.sort()
        group: list[str] = []
        reach = -1
        for begin, end, name in spans:
            if begin >= reach:
                groups += [tuple(group)] if len(group) > 1 else []
                group = []
            group.append(name)
            reach = max(reach, end)
        groups += [tuple(group)] if len(group) > 1 else []
    return tuple(sorted(groups))


def refuse_unwritable(file: TensorFile, reasons: Mapping[str, str]) -> ArchiveError:
    """Make the error for tensors that cannot be written."""
    told = list(reasons.items())[:_MOST_TOLD]
    more = len(reasons) - len(told)
    return ArchiveError(
        f"{counted(len(reasons), 'tensor')} cannot be written as safetensors",
        facts=[("file", file.name), *told, *([("and", f"{more} more")] if more else [])],
        next_step="with --partial, the others are written",
    )
