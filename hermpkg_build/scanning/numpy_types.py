"""Whether what a pickle says of a type of numpy holds together: numpy believes it, and reads memory by it.

The state of a ``numpy.dtype`` says where fields lie in an element, and whether these are objects. With one
that lies, bytes of an array are taken for the addresses of objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.scanning.file_kinds import PLAIN_NUMPY_TYPE

_OBJECT = re.compile(r"\|?O[48]?")
_SIZE = re.compile(r"[|<>=]?([A-Za-z])([0-9]*)")
_OF_OBJECTS = 0x1B
"""The flags of a type in which objects are: counted, pickled as a list, filled ahead, by Python."""

_OF_ADDRESSES = 0x07
"""Flags that no type without objects has."""

_DEEPEST = 20
_LARGEST = 1 << 40


def is_sound_type(node: Node) -> bool:
    """Whether `node`, a call of ``numpy.dtype`` that is given a state, makes a type that numpy writes."""
    return _layout(node, 0) is not None


def _layout(node: Node, depth: int) -> tuple[int, bool] | None:
    """Return the bytes of an element and whether there are objects in it; None for what is not sound."""
    arguments = node.parts[1].items if len(node.parts) == 2 else ()
    code = arguments[0].value if arguments else None
    code = code.decode("latin-1") if isinstance(code, bytes) else code
    if not isinstance(code, str) or depth > _DEEPEST or node.items or node.pairs or len(node.states) > 1:
        return None
    if _OBJECT.fullmatch(code):
        size, has_objects = 8, True
    elif PLAIN_NUMPY_TYPE.fullmatch(code):
        match = _SIZE.match(code)
        assert match is not None
        size, has_objects = int(match[2][:9] or 0) * (4 if match[1] == "U" else 1), False
    else:
        return None
    if not node.states:
        return size, has_objects
    return _stated(node.states[0], size, has_objects, depth, is_void=code.lstrip("|<>=").startswith("V"))


def _stated(
    state: Node, size: int, has_objects: bool, depth: int, *, is_void: bool
) -> tuple[int, bool] | None:
    if state.kind is not NodeKind.TUPLE or len(state.items) not in (8, 9):
        return None
    version, _, subtype, names, fields, given_size, _, flags = state.items[:8]
    bits = flags.value
    if version.value not in (3, 4) or not isinstance(bits, int) or given_size.value not in (-1, size):
        return None
    if not (_is_none(subtype) and _is_none(names) and _is_none(fields)):
        inside = _of_subtype(subtype, depth) if not _is_none(subtype) else _of_fields(names, fields, depth)
        if inside is None or not is_void or inside[0] > size:
            return None
        has_objects = inside[1]
    needed = _OF_OBJECTS if has_objects else 0
    return (size, has_objects) if bits & (_OF_OBJECTS if has_objects else _OF_ADDRESSES) == needed else None


def _of_subtype(subtype: Node, depth: int) -> tuple[int, bool] | None:
    """Return what `_layout` does for an array in each element: a type and a shape."""
    if subtype.kind is not NodeKind.TUPLE or len(subtype.items) != 2:
        return None
    inner, shape = _type_in(subtype.items[0], depth), subtype.items[1]
    sizes = [shape] if shape.kind is NodeKind.ATOM else shape.items
    if inner is None:
        return None
    total = inner[0]
    for each in sizes:
        if not isinstance(each.value, int) or each.value < 0:
            return None
        total *= each.value
        if total > _LARGEST:
            return None
    return total, inner[1]


def _of_fields(names: Node, fields: Node, depth: int) -> tuple[int, bool] | None:
    """Return how far fields reach, and whether any has objects: then none may overlap another."""
    if names.kind is not NodeKind.TUPLE or fields.kind is not NodeKind.DICT:
        return None
    spans: list[tuple[int, int, bool]] = []
    for _, described in fields.pairs:
        parts: Sequence[Node] = described.items if described.kind is NodeKind.TUPLE else ()
        inner = _type_in(parts[0], depth) if len(parts) in (2, 3) else None
        offset = parts[1].value if inner is not None else None
        if inner is None or not isinstance(offset, int) or not 0 <= offset < _LARGEST:
            return None
        spans.append((offset, offset + inner[0], inner[1]))
    spans = sorted(set(spans))
    reach, has_objects, overlaps = 0, any(has for _, _, has in spans), False
    for start, end, _ in spans:
        overlaps |= start < reach
        reach = max(reach, end)
    return None if overlaps and has_objects else (reach, has_objects)


def _type_in(node: Node, depth: int) -> tuple[int, bool] | None:
    is_type = node.kind is NodeKind.CALL and node.parts[0].value == ("numpy", "dtype")
    return _layout(node, depth + 1) if is_type else None


def _is_none(node: Node) -> bool:
    return node.kind is NodeKind.ATOM and node.value is None
