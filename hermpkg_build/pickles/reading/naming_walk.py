"""Walks through the objects of a pickle, and gives those looked for with every name that leads to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Generic, TypeVar

from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.paths import Path, children, is_global, root_path
from hermpkg_build.pickles.reading.tensors import Storage, Tensor, storage_of, tensor_of

_MOST_STEPS_AGAIN = 100_000
"""How much of what several names lead to is gone through again; real models need a few hundred steps."""
_WRAPPED = frozenset({"_rebuild_from_type_v2"})
_REBUILDERS = ("torch._utils", "torch._tensor")


def start_of_walk(node: Node, record: str) -> list[tuple[Path, Node]]:
    """Return the first objects to look at, with their paths: of a dict, its items first."""
    root = root_path(record)
    if not _is_mapping(node):
        return [(root, node)]
    starts: list[tuple[Path, Node]] = []
    others = Node(kind=node.kind, opcode=node.opcode, offset=node.offset)
    others.items, others.parts, others.states = node.items, node.parts, node.states
    unnamed: list[tuple[Node, Node]] = []
    for key, value in node.pairs:
        if key.kind is NodeKind.ATOM and isinstance(key.value, str) and key.value:
            starts.append((Path(key.value, key.value), value))
        else:
            unnamed.append((key, value))
    others.pairs = unnamed
    return [*starts, (root, others)]


def _is_mapping(node: Node) -> bool:
    ordered = frozenset({"OrderedDict"})
    return node.kind is NodeKind.DICT or (
        node.kind is NodeKind.CALL and bool(node.parts) and is_global(node.parts[0], "collections", ordered)
    )


def leading_to(starts: list[tuple[Path, Node]], is_end: Callable[[Node], bool]) -> set[int]:
    """Return the ids of ends, and of the objects that lead to one: of a large pickle most do not.

    What lies below an end is not gone through.
    """
    parents: dict[int, list[int]] = {}
    ends: list[int] = []
    stack: list[Node] = []

    def meet(node: Node, above: list[int]) -> None:
        parents[id(node)] = above
        if is_end(node):
            ends.append(id(node))
        else:
            stack.append(node)

    for _, node in starts:
        if id(node) not in parents:
            meet(node, [])
    while stack:
        node = stack.pop()
        key = id(node)
        for part in chain(node.parts, node.items, node.states, chain.from_iterable(node.pairs)):
            kind = part.kind
            if kind is NodeKind.ATOM or kind is NodeKind.GLOBAL:
                continue
            if (known := parents.get(id(part))) is not None:
                known.append(key)
            else:
                meet(part, [key])
    leading = set(ends)
    while ends:
        above = [parent for parent in parents[ends.pop()] if parent not in leading]
        leading.update(above)
        ends += above
    return leading


Leaf = TypeVar("Leaf")


class NamingWalk(Generic[Leaf]):
    """A walk through a graph, depth first, which enters again what holds leaves and has another name too.

    It enters what is `leading` to leaves, which `leaf` tells. `_below` counts the leaves below each object
    that was left, `_entered` are the objects on the way to the current one: no name leads through an object
    twice. `is_cut` says that some names were passed over, since there are too many.
    """

    def __init__(self, leading: set[int], leaf: Callable[[Node], Leaf | None]) -> None:
        self.is_cut: bool = False
        self._leading = leading
        self._leaf = leaf
        self._below: dict[int, int] = {}
        self._entered: set[int] = set()
        self._steps_again = _MOST_STEPS_AGAIN
        self._count = 0

    def run(self, starts: list[tuple[Path, Node]]) -> Iterator[tuple[Path, Node, Leaf]]:
        """Give each leaf each time that it is met, with the path that led to it."""
        frames: list[tuple[int, Iterator[tuple[Path, Node]], int, bool]] = [(0, iter(starts), 0, False)]
        while frames:
            key, parts, before, again = frames[-1]
            step = next(parts, None)
            if step is None:
                frames.pop()
                self._entered.discard(key)
                self._below[key] = max(self._below.get(key, 0), self._count - before)
                continue
            path, node = step
            self._steps_again -= again
            if id(node) not in self._leading or not self._may_enter(node):
                continue
            leaf = self._leaf(node)
            met_before = id(node) in self._below
            if leaf is None:
                self._entered.add(id(node))
                frames.append((id(node), _parts(node, path), self._count, met_before))
                continue
            self._below[id(node)] = 1
            self._count += 1
            self._steps_again -= met_before
            yield path, node, leaf

    def _may_enter(self, node: Node) -> bool:
        if id(node) in self._entered:
            return False
        below = self._below.get(id(node))
        if below is None:
            return True
        if below > 0 and self._steps_again <= 0:
            self.is_cut = True
        return below > 0 and self._steps_again > 0


def storage_and_tensor(node: Node) -> tuple[Storage, Tensor | None] | None:
    """Return the storage of a tensor or a bare one, with the tensor where its layout is known, or None."""
    tensor = tensor_of(node) or tensor_of(_unwrapped(node))
    storage = tensor.storage if tensor is not None else storage_of(node)
    return None if storage is None else (storage, tensor)


def _unwrapped(node: Node) -> Node:
    """The call that makes the data of an instance of a tensor's subclass; any other node as it is."""
    if node.kind is not NodeKind.CALL or not is_global(node.parts[0], "torch._tensor", _WRAPPED):
        return node
    arguments = node.parts[1].items
    if len(arguments) < 3 or arguments[2].kind is not NodeKind.TUPLE:
        return node
    inner = Node(kind=NodeKind.CALL, opcode="REDUCE", offset=node.offset)
    inner.parts = [arguments[0], arguments[2]]
    return inner


def _parts(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """The parts of an object; those of a tensor that others make up have its name and a number."""
    if path.dotted is None or not _is_rebuilt(node):
        return children(node, path)
    return _numbered(node.parts[1], path)


def _is_rebuilt(node: Node) -> bool:
    """Whether torch puts the object together from storages or tensors, in a way that is not `tensor_of`'s."""
    if node.kind is not NodeKind.CALL or node.parts[0].kind is not NodeKind.GLOBAL:
        return False
    value = node.parts[0].value
    if not isinstance(value, tuple) or value[0] not in _REBUILDERS:
        return False
    return str(value[1]).startswith("_rebuild") and not str(value[1]).startswith("_rebuild_parameter")


def _numbered(arguments: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """The tensors and storages among the arguments, also those in tuples, from number 0 on."""
    number = 0
    stack = [arguments]
    while stack:
        node = stack.pop()
        if storage_and_tensor(node) is not None:
            name = f"part{number}"
            number += 1
            yield path.to(f".{name}", dotted=name), node
        elif node.kind is NodeKind.TUPLE:
            stack.extend(reversed(node.items))
