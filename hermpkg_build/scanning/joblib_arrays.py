"""Reads what joblib writes between the opcodes of a pickle: bytes of arrays, or pickles of their objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod

from hermpkg_build.pickles.reading.nodes import Node, NodeKind, Reading, read_stream
from hermpkg_build.pickles.reading.opcode_stream import stream_of

_WRAPPER = "NumpyArrayWrapper"
_MODULE_END = "numpy_pickle"
_CODE = re.compile(r"[<>|=]?([biufcSVUMm?])([0-9]{1,9})?")
_UCS4 = 4
_MOST_ARRAYS = 1_000_000


def names_wrapper(reading: Reading) -> bool:
    """Whether a reading came to what stands before an array of joblib."""
    return any(step.opcode == "BUILD" and _is_wrapper(step.node) for step in reading.steps)


def read_with_arrays(data: bytes | memoryview, start: int) -> tuple[Reading, ...]:
    """Read the pickle at `start` as joblib does, and those of arrays of objects within it; the outer first.

    What cannot be read is the `problem` of the outer one.
    """
    arrays = _Arrays(data)
    outer = read_stream(arrays.stream, start, arrays.pass_over)
    return outer, *arrays.readings


class _Arrays:
    """Passes over arrays in `stream`, which stands behind the opcode that says that one follows."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.stream = stream_of(data)
        self.readings: list[Reading] = []
        self._data = data
        self._count = 0

    def pass_over(self, node: Node) -> None:
        """Move behind the array that follows where `node` says so. Raises ValueError."""
        if not _is_wrapper(node):
            return
        self._count += 1
        if self._count > _MOST_ARRAYS:
            raise ValueError("too many arrays of joblib")
        state = _state_of(node)
        place = self.stream.tell()
        size = _size_of(state)
        if size is None:
            inner = read_stream(self._data, place)
            self.readings.append(inner)
            if inner.problem:
                raise ValueError(f"an array of objects: {inner.problem}")
            place = inner.end
        else:
            aligned = state.get("numpy_array_alignment_bytes")
            if aligned is not None and aligned.value is not None:
                if place >= len(self._data):
                    raise ValueError("an array of joblib is cut off")
                place += 1 + self._data[place]
            place += size
        if place > len(self._data):
            raise ValueError("an array of joblib is cut off")
        self.stream.seek(place)


def _is_wrapper(node: Node) -> bool:
    if node.kind is not NodeKind.CALL or not node.parts or not isinstance(node.parts[0].value, tuple):
        return False
    module, name = node.parts[0].value
    return name == _WRAPPER and str(module).rpartition(".")[2] == _MODULE_END


def _state_of(node: Node) -> Mapping[str, Node]:
    if len(node.states) != 1 or node.states[0].kind is not NodeKind.DICT:
        raise ValueError("an array of joblib is described in an unknown way")
    return {str(key.value): value for key, value in node.states[0].pairs}


def _size_of(state: Mapping[str, Node]) -> int | None:
    """Return the bytes of an array's elements, None for one of objects, which is a pickle."""
    shape, dtype = state.get("shape"), state.get("dtype")
    if shape is None or dtype is None or shape.kind is not NodeKind.TUPLE:
        raise ValueError("an array of joblib is described in an unknown way")
    sizes = [each.value for each in shape.items]
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in sizes):
        raise ValueError("the shape of an array of joblib is not a shape")
    element = _element_size(dtype)
    return None if element is None else element * prod(each for each in sizes if isinstance(each, int))


def _element_size(dtype: Node) -> int | None:
    """Return the bytes of an element, None where it is an object, or has one in it."""
    if any(_code_of(each).lstrip("<>|=").startswith("O") for each in _types_in(dtype)):
        return None
    found = _CODE.fullmatch(_code_of(dtype))
    if found is None:
        raise ValueError("the type of an array of joblib is not known")
    kind, number = found[1], int(found[2] or 1)
    return number * _UCS4 if kind == "U" else number


def _code_of(dtype: Node) -> str:
    """Return the code of a type, such as ``f8``, "" where `dtype` is none that numpy writes."""
    if dtype.kind is not NodeKind.CALL or len(dtype.parts) < 2 or dtype.parts[0].value != ("numpy", "dtype"):
        return ""
    arguments = dtype.parts[1].items
    code = arguments[0].value if arguments else None
    return code if isinstance(code, str) else ""


def _types_in(dtype: Node) -> list[Node]:
    """Return a type and those of its fields, which its state has; each once."""
    found: dict[int, Node] = {}
    pending = [dtype]
    while pending:
        node = pending.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        pending += [*node.states, *node.items, *(value for _, value in node.pairs)]
    return [node for node in found.values() if _code_of(node)]
