"""Tensors as a pickle describes them: which storage, which part of it, what shape and type."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from hermpkg_build.archive.layout import DATA
from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.paths import is_global

ELEMENT_SIZES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 4,
    "int32": 4,
    "uint64": 8,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
"""Bytes per element by dtype, for the dtypes whose elements can be compared as numbers."""

_REBUILD = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"})
_REBUILD_TYPED = frozenset({"_rebuild_tensor_v3"})
STORAGE_DTYPES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A storage by its persistent id: its record, the type and number of its elements, its device."""

    record: str
    dtype: str
    count: int
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor: `shape`, `stride` and `offset` count elements of `dtype` (``float32``)."""

    storage: Storage
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after the other in the order of its indices."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and step != expected:
                return False
            expected *= size
        return True

    @property
    def span(self) -> tuple[int, int]:
        """The first element of its storage that it reaches, and how many lie from there to its last."""
        if not prod(self.shape):
            return self.offset, 0
        reach = [(size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)]
        return self.offset, 1 + sum(reach)

    @property
    def element_size(self) -> int:
        """Bytes per element; 1 for a dtype that `ELEMENT_SIZES` lacks."""
        return ELEMENT_SIZES.get(self.dtype, 1)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def storage_of(node: Node) -> Storage | None:
    """The storage that a persistent id names; None for any other node."""
    if node.kind is not NodeKind.PERSISTENT or node.parts[0].kind is not NodeKind.TUPLE:
        return None
    parts = node.parts[0].items
    # torch.save of before 1.6 writes a sixth part, which is None unless the storage is a view of another.
    is_whole = len(parts) == 5 or (len(parts) == 6 and parts[5].value is None and not parts[5].items)
    if not is_whole or _text(parts[0]) != "storage":
        return None
    kind, key, device, count = parts[1:5]
    if kind.kind is not NodeKind.GLOBAL or not isinstance(kind.value, tuple):
        return None
    return Storage(
        record=f"{DATA}{_text(key)}.storage",
        dtype=STORAGE_DTYPES.get(kind.value[1], str(kind.value[1])),
        count=count.value if isinstance(count.value, int) else 0,
        device=_text(device),
    )


def tensor_of(node: Node) -> Tensor | None:
    """The tensor that `node` makes, where it is one with numbers in a storage of the archive."""
    if node.kind is not NodeKind.CALL or not is_global(node.parts[0], "torch._utils", _REBUILD):
        return None
    arguments = node.parts[1].items
    is_typed = is_global(node.parts[0], "torch._utils", _REBUILD_TYPED) and len(arguments) > 6
    return view_of(arguments, arguments[6] if is_typed else None)


def view_of(arguments: Sequence[Node], dtype: Node | None = None) -> Tensor | None:
    """The view that the first four `arguments` describe: a storage, an offset, a shape and strides.

    Its elements have the type of the storage, or the one that `dtype` names. None where that makes no sense.
    """
    if len(arguments) < 4:
        return None
    storage = storage_of(arguments[0])
    shape, stride = integers(arguments[2]), integers(arguments[3])
    offset = arguments[1].value
    if (
        storage is None
        or shape is None
        or stride is None
        or not isinstance(offset, int)
        or offset is True
        or offset is False
    ):
        return None
    if len(shape) != len(stride) or offset < 0 or min((*shape, *stride), default=0) < 0:
        return None
    named = dtype.value if dtype is not None else None
    return Tensor(
        storage=storage,
        dtype=str(named[1]) if isinstance(named, tuple) else storage.dtype,
        shape=shape,
        stride=stride,
        offset=offset,
    )


def integers(node: Node) -> tuple[int, ...] | None:
    """Return the numbers of a tuple of whole numbers; None for any other node."""
    values = [item.value for item in node.items]
    # torch takes no truth value for a number.
    if node.kind is not NodeKind.TUPLE or not all(type(value) is int for value in values):
        return None
    return tuple(value for value in values if isinstance(value, int))


def _text(node: Node) -> str:
    value = node.value
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
