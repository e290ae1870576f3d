"""How torch would put a tensor together, read from a pickle as data: out of which storage, in which form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.paths import is_global
from hermpkg_build.pickles.reading.tensors import Tensor, integers, storage_of, tensor_of, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StridedRecipe:
    """A view of a storage; `is_conj` and `is_negative` say that its elements are read so."""

    tensor: Tensor
    is_conj: bool = False
    is_negative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedRecipe:
    """A view of a storage of quantised elements.

    Where `axis` is None, `scale` and `zero_point` are one number each; else they are tensors with a number
    for each index along `axis`.
    """

    tensor: Tensor
    scheme: str
    scale: float | StridedRecipe
    zero_point: int | StridedRecipe
    axis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseRecipe:
    """A tensor of a sparse `layout` (``sparse_coo``), of two index tensors or one, and the values."""

    layout: str
    parts: tuple[StridedRecipe, ...]
    shape: tuple[int, ...]
    is_coalesced: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecipe:
    """What stands for a tensor, or holds the data of one, and only code makes; `reason` says why."""

    reason: str


Recipe: TypeAlias = StridedRecipe | QuantizedRecipe | SparseRecipe | NoRecipe

_TENSOR_MAKERS = ("torch._utils", "torch._tensor")
_PER_TENSOR = frozenset({"per_tensor_affine"})
_PER_CHANNEL = frozenset({"per_channel_affine", "per_channel_affine_float_qparams"})
_COMPRESSED = frozenset({"sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"})
_PACKAGE_REDUCTION = "reduce_package"


def recipe_of(node: Node) -> Recipe | None:
    """Return how the tensor that `node` stands for is put together; None where it stands for none."""
    # A parameter of a parameter of a parameter ... is none that torch writes: the depth is bounded.
    for _ in range(4):
        if node.kind is NodeKind.PERSISTENT:
            return NoRecipe(reason=_persistent_words(node))
        name = _maker_name(node)
        if name is None:
            return None
        if node.states or node.items or node.pairs:
            return NoRecipe(reason="its state is set by code after it was made")
        arguments = node.parts[1].items if len(node.parts) == 2 else []
        inner = _wrapped(name, node, arguments)
        if inner is None:
            make = _RECIPES.get(name)
            if make is None:
                return NoRecipe(reason=f"it is made by torch's {name}, which needs more than data")
            return make(node, arguments)
        node = inner
    return NoRecipe(reason="it is wrapped too often")


def _maker_name(node: Node) -> str | None:
    """Return the name of the function of torch that makes a tensor of `node`'s arguments; None for others."""
    if node.kind is not NodeKind.CALL or not node.parts or node.parts[0].kind is not NodeKind.GLOBAL:
        return None
    value = node.parts[0].value
    if not isinstance(value, tuple) or value[0] not in _TENSOR_MAKERS:
        return None
    name = str(value[1])
    return name if name.startswith("_rebuild") else None


def _wrapped(name: str, node: Node, arguments: Sequence[Node]) -> Node | None:
    """Return the tensor that a parameter, or an instance of a subclass, consists of; None for any other."""
    if name in ("_rebuild_parameter", "_rebuild_parameter_with_state") and arguments:
        return arguments[0]
    if name == "_rebuild_from_type_v2" and len(arguments) >= 3 and arguments[2].kind is NodeKind.TUPLE:
        inner = Node(kind=NodeKind.CALL, opcode="REDUCE", offset=node.offset)
        inner.parts = [arguments[0], arguments[2]]
        # A function that is not torch's own is the subclass's, and makes what only its code knows.
        return inner if _maker_name(inner) is not None else None
    return None


def _persistent_words(node: Node) -> str:
    if storage_of(node) is not None:
        return "it is a bare storage"
    parts = node.parts[0].items
    word = parts[0].value if parts else None
    if word not in (_PACKAGE_REDUCTION, _PACKAGE_REDUCTION.encode()):
        return "it is an object that only its loader knows"
    function = next((part.value for part in parts[1:3] if part.kind is NodeKind.GLOBAL), None)
    if isinstance(function, tuple):
        return f"it is made by {function[0]}.{function[1]}, which is code"
    return "it is made by code"


def _strided(node: Node, arguments: Sequence[Node]) -> Recipe:
    tensor = tensor_of(node)
    if tensor is None:
        return NoRecipe(reason="its description makes no sense, or its data lies outside the file")
    typed = is_global(node.parts[0], "torch._utils", frozenset({"_rebuild_tensor_v3"}))
    place = 7 if typed else 6
    flags = _flags(arguments[place]) if len(arguments) > place else {}
    if flags is None or not flags.keys() <= {"conj", "neg"}:
        return NoRecipe(reason="it has marks that only code understands")
    return StridedRecipe(tensor=tensor, is_conj=flags.get("conj", False), is_negative=flags.get("neg", False))


def _flags(node: Node) -> dict[str, bool] | None:
    if node.kind is NodeKind.ATOM and node.value is None:
        return {}
    if node.kind is not NodeKind.DICT:
        return None
    flags = {str(key.value): value.value for key, value in node.pairs}
    found = {name: value for name, value in flags.items() if isinstance(value, bool)}
    return found if len(found) == len(flags) else None


def _quantized(_: Node, arguments: Sequence[Node]) -> Recipe:
    tensor = view_of(arguments)
    parameters = arguments[4].items if len(arguments) > 4 else []
    if tensor is None or not parameters:
        return NoRecipe(reason="its description makes no sense, or its data lies outside the file")
    if is_global(parameters[0], "torch", _PER_TENSOR) and len(parameters) == 3:
        scale, zero_point = parameters[1].value, parameters[2].value
        if isinstance(scale, float) and isinstance(zero_point, int):
            return QuantizedRecipe(
                tensor=tensor, scheme="per_tensor_affine", scale=scale, zero_point=zero_point
            )
    if is_global(parameters[0], "torch", _PER_CHANNEL) and len(parameters) == 4:
        scales, zero_points = recipe_of(parameters[1]), recipe_of(parameters[2])
        axis = parameters[3].value
        named = parameters[0].value
        if (
            isinstance(scales, StridedRecipe)
            and isinstance(zero_points, StridedRecipe)
            and isinstance(axis, int)
            and isinstance(named, tuple)
        ):
            return QuantizedRecipe(
                tensor=tensor, scheme=str(named[1]), scale=scales, zero_point=zero_points, axis=axis
            )
    return NoRecipe(reason="it is quantised in a way that is read by no rule")


def _sparse(_: Node, arguments: Sequence[Node]) -> Recipe:
    layout = _layout(arguments[0]) if arguments else None
    data = arguments[1].items if len(arguments) == 2 else []
    indices = 1 if layout == "sparse_coo" else 2 if layout in _COMPRESSED else 0
    if layout is None or not indices or not indices + 2 <= len(data) <= indices + 3:
        return NoRecipe(reason="it is sparse in a way that is read by no rule")
    parts = [recipe_of(part) for part in data[: indices + 1]]
    strided = tuple(part for part in parts if isinstance(part, StridedRecipe))
    shape = _shape(data[indices + 1])
    if len(strided) != len(parts) or shape is None:
        return NoRecipe(reason="it is sparse, and its parts are no plain tensors")
    coalesced = data[indices + 2].value if len(data) > indices + 2 else None
    return SparseRecipe(
        layout=layout,
        parts=strided,
        shape=shape,
        is_coalesced=coalesced if isinstance(coalesced, bool) else None,
    )


def _layout(node: Node) -> str | None:
    """Return the name of a layout, which torch has a function of its own look up by its name."""
    if node.kind is NodeKind.CALL and is_global(
        node.parts[0], "torch.serialization", frozenset({"_get_layout"})
    ):
        arguments = node.parts[1].items
        value = arguments[0].value if arguments else None
        return value.removeprefix("torch.") if isinstance(value, str) else None
    if node.kind is NodeKind.GLOBAL and isinstance(node.value, tuple) and node.value[0] == "torch":
        return str(node.value[1])
    return None


def _shape(node: Node) -> tuple[int, ...] | None:
    """Return a shape, a tuple or a ``torch.Size``."""
    if node.kind is NodeKind.CALL and is_global(node.parts[0], "torch", frozenset({"Size"})):
        inner = node.parts[1].items
        return integers(inner[0]) if len(inner) == 1 else None
    return integers(node)


def _meta(_: Node, __: Sequence[Node]) -> Recipe:
    return NoRecipe(reason="it is on the meta device, where tensors have no data")


def _subclass(_: Node, __: Sequence[Node]) -> Recipe:
    return NoRecipe(reason="it is of a class that makes its tensors by code of its own")


_RECIPES: Mapping[str, Callable[[Node, Sequence[Node]], Recipe]] = {
    "_rebuild_tensor": _strided,
    "_rebuild_tensor_v2": _strided,
    "_rebuild_tensor_v3": _strided,
    "_rebuild_qtensor": _quantized,
    "_rebuild_sparse_tensor": _sparse,
    "_rebuild_meta_tensor_no_storage": _meta,
    "_rebuild_wrapper_subclass": _subclass,
    "_rebuild_from_type": _subclass,
    "_rebuild_from_type_v2": _subclass,
}
