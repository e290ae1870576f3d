"""Compares two object graphs from pickles: values, types, order and sharing; pairs their tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.inspection.diff.differences import PickleDifference, PickleSide
from hermpkg_build.inspection.diff.hints import hint_for
from hermpkg_build.inspection.diff.texts import spelled_apart
from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.opcode_stream import opcodes_of
from hermpkg_build.pickles.reading.paths import (
    Path,
    call_parts,
    children,
    item_path,
    key_text,
    root_path,
    state_path,
    value_path,
)
from hermpkg_build.pickles.reading.tensors import Storage, Tensor, storage_of, tensor_of

_KINDS = {
    NodeKind.ATOM: "a plain value",
    NodeKind.GLOBAL: "a class or function",
    NodeKind.CALL: "an object",
    NodeKind.PERSISTENT: "a storage",
}
_SHARED = frozenset({NodeKind.LIST, NodeKind.DICT, NodeKind.SET, NodeKind.CALL})
_LEAVES = frozenset({NodeKind.ATOM, NodeKind.GLOBAL})
_SEQUENCES = frozenset({NodeKind.TUPLE, NodeKind.LIST, NodeKind.SET, NodeKind.FROZENSET})
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1"})
"""The opcodes of whole numbers: those of a tensor say where its elements lie in its storage."""
_MOST_KEPT = 100
_LONG = (str, bytes, bytearray)
_LONGEST_SHOWN = 60
_LARGEST_OUTLINE = 8
_LARGEST_HASHED = 1 << 32
"""The hashes of larger integers can be chosen to be the same."""
_MOST_PAIRS = 20_000_000
"""Some minutes of work, which no real pickle takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPair:
    """A tensor of the first graph and the one in its place in the second."""

    name: str
    a: Tensor
    b: Tensor


@dataclass(slots=True, kw_only=True)
class GraphComparison:
    """How two graphs differ apart from the elements of tensors, and the tensors of both in their order.

    At most a hundred differences are kept; `total` counts all. `storages` are the records of storages that
    stand for each other.
    """

    differences: list[PickleDifference] = field(default_factory=list)
    tensors: list[TensorPair] = field(default_factory=list)
    storages: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0


def compare_graphs(a: Node, b: Node, record: str) -> GraphComparison:
    """Compare the graphs of the pickle `record` in two archives.

    Keys of storages are names, not values: they may differ as long as each key of one graph stands for one
    key of the other.
    """
    comparer = _Comparer()
    stack = [(root_path(record), a, b)]
    pairs = 0
    while stack:
        # In reverse, so that the first in the pickle is the next to be taken off.
        tasks = comparer.compare(*stack.pop())
        stack.extend(reversed(tasks))
        pairs += len(tasks)
        if pairs + comparer.result.total > _MOST_PAIRS:
            path, left, right = stack[-1] if stack else (root_path(record), a, b)
            comparer.note(path, "there is more than is compared, from here on", left, right)
            break
    return comparer.result


def compare_opcodes(a: bytes, b: bytes, graph: Node, record: str) -> Iterator[PickleDifference]:
    """Return the first opcode that differs between two pickles whose graphs are equal."""
    for left, right in zip_longest(opcodes_of(a), opcodes_of(b)):
        if left is not None and right is not None and left[:2] == right[:2]:
            continue
        is_number = left is not None and right is not None and left[0] == right[0] in _NUMBERS
        yield PickleDifference(
            path=str(_path_at(graph, record, left[2] if left is not None else len(a))),
            what="another number" if is_number else "the same values are written in another way",
            a=None if left is None else _opcode_side(*left),
            b=None if right is None else _opcode_side(*right),
        )
        return


def _opcode_side(opcode: str, argument: object, offset: int) -> PickleSide:
    value = " ".join(argument) if isinstance(argument, tuple) else argument
    shown = Node(kind=NodeKind.ATOM, opcode=opcode, offset=offset, value=value)
    return PickleSide(value="" if value is None else key_text(shown), opcode=opcode, offset=offset)


def _path_at(graph: Node, record: str, offset: int) -> Path:
    """Return the path to the last object that begins before `offset`."""
    best, best_offset = root_path(record), -1
    seen: set[int] = set()
    stack = [(best, graph)]
    while stack:
        path, node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if best_offset < node.offset <= offset:
            best, best_offset = path, node.offset
        stack.extend(children(node, path))
    return best


_Task = tuple[Path, Node, Node]


class _Comparer:
    """Compares pairs of nodes one at a time, and remembers which object of one graph stands for which."""

    def __init__(self) -> None:
        self.result = GraphComparison()
        self._partners: tuple[dict[int, tuple[Node, Path]], dict[int, tuple[Node, Path]]] = ({}, {})
        self._storages: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._equal: dict[int, int] = {}

    def compare(self, path: Path, a: Node, b: Node) -> list[_Task]:
        """Note how the two nodes differ, and return the pairs of their parts, to be compared next."""
        if a.kind not in _LEAVES and self._are_joined(id(a), id(b)):
            return []
        if a.kind is not b.kind:
            self.note(
                path, f"{_KINDS.get(a.kind, f'a {a.kind}')} became {_KINDS.get(b.kind, f'a {b.kind}')}", a, b
            )
            return []
        if a.kind in _SHARED and not self._may_be_partners(path, a, b):
            return []
        if a.kind in _LEAVES:
            if not _same_value(a.value, b.value):
                self.note(path, "another value" if a.kind is NodeKind.ATOM else "another name", a, b)
            return []
        if a.kind is NodeKind.PERSISTENT:
            return self._compare_persistent(path, a, b)
        tensors = tensor_of(a), tensor_of(b)
        if tensors[0] is not None and tensors[1] is not None:
            return self._compare_tensors(path, a, b, tensors[0], tensors[1])
        tasks: list[_Task] = []
        if a.kind is NodeKind.CALL:
            tasks += self._compare_parts([call_parts(a, path), call_parts(b, path)], "an argument")
        tasks += self._compare_items(path, a, b)
        tasks += self._compare_pairs(path, a, b)
        states = [[(state_path(state, path), state) for state in side.states] for side in (a, b)]
        return tasks + self._compare_parts(states, "a state")

    def _are_joined(self, a: int, b: int) -> bool:
        """Join two nodes to one class, and tell whether they were in one before.

        Nodes of one class have been compared along a chain of pairs, so that comparing them would find no
        difference that is not noted. Else each node could meet all of the other graph, as parts that many
        tuples share do. There are fewer joins than nodes (Hopcroft and Karp, 1971).
        """
        left, right = self._class_of(a), self._class_of(b)
        self._equal[left] = right
        return left == right

    def _class_of(self, node: int) -> int:
        here = node
        while (above := self._equal.get(here, here)) != here:
            self._equal[here] = self._equal.get(above, above)
            here = above
        return here

    def _compare_parts(self, sides: Iterable[Iterable[tuple[Path, Node]]], what: str) -> list[_Task]:
        """Return the pairs of parts in the same places; where one side has more of them, note that."""
        tasks: list[_Task] = []
        for left, right in zip_longest(*sides):
            tasks += self._both((left or right)[0], left and left[1], right and right[1], what)
        return tasks

    def _compare_items(self, path: Path, a: Node, b: Node) -> list[_Task]:
        if _is_reordered(a, b):
            what = f"the same {len(a.items)} elements in another order"
            self.note(path, what, a, b, values=_orders(a.items, b.items))
            return []
        tasks: list[_Task] = []
        for place, (left, right) in enumerate(zip_longest(a.items, b.items)):
            tasks += self._both(item_path(a, path, place), left, right, "an element")
        return tasks

    def _compare_pairs(self, path: Path, a: Node, b: Node) -> list[_Task]:
        left, right = _by_key(a), _by_key(b)
        if left is None or right is None:
            return self._compare_pairs_by_place(path, a, b)
        common = [key for key in left if key in right]
        if common != (others := [key for key in right if key in left]):
            keys = [[left[key][0] for key in common], [right[key][0] for key in others]]
            what = f"the same {len(common)} keys in another order"
            self.note(path, what, a, b, values=_orders(*keys))
        for key, (node, value) in left.items():
            if key not in right:
                self.note(value_path(path, node), "a key is gone", value, None)
        for key, (node, value) in right.items():
            if key not in left:
                self.note(value_path(path, node), "a key was added", None, value)
        return [(value_path(path, left[key][0]), left[key][1], right[key][1]) for key in common]

    def _compare_pairs_by_place(self, path: Path, a: Node, b: Node) -> list[_Task]:
        """Compare items whose keys are objects: only their order says which belong together."""
        tasks: list[_Task] = []
        for place, (left, right) in enumerate(zip_longest(a.pairs, b.pairs)):
            for what, part in (("key", 0), ("value", 1)):
                where = path.to(f"<{what} {place}>")
                tasks += self._both(where, left and left[part], right and right[part], f"a {what}")
        return tasks

    def _compare_persistent(self, path: Path, a: Node, b: Node) -> list[_Task]:
        left, right = storage_of(a), storage_of(b)
        if left is None or right is None:
            return [(path.to(".persistent_id"), a.parts[0], b.parts[0])]
        self._compare_storages(path, a, b, left, right)
        return []

    def _compare_storages(self, path: Path, a: Node, b: Node, left: Storage, right: Storage) -> None:
        """Note two storages whose keys stood for others before."""
        if left.record not in self._storages[0] and right.record not in self._storages[1]:
            self.result.storages.append((left.record, right.record))
        forward = self._storages[0].setdefault(left.record, right.record)
        backward = self._storages[1].setdefault(right.record, left.record)
        if (forward, backward) != (right.record, left.record):
            self.note(path, "storages are shared in another way", a, b)
        elif left.device != right.device:
            self.note(path, f"another device: {left.device} became {right.device}", a, b)

    def _compare_tensors(self, path: Path, a: Node, b: Node, left: Tensor, right: Tensor) -> list[_Task]:
        self.result.tensors.append(TensorPair(name=_name(path), a=left, b=right))
        self._compare_storages(path, a, b, left.storage, right.storage)
        others = [[(path.to(step), part) for step, part in _other_arguments(side)] for side in (a, b)]
        return self._compare_parts(others, "an argument")

    def _both(self, path: Path, a: Node | None, b: Node | None, what: str) -> list[_Task]:
        """Return the pair to be compared; where one of the two is missing, note that."""
        if a is not None and b is not None:
            return [(path, a, b)]
        self.note(path, f"{what} was added" if a is None else f"{what} is gone", a, b)
        return []

    def _may_be_partners(self, path: Path, a: Node, b: Node) -> bool:
        """Whether the objects stood for each other wherever they were met before; if not, note that."""
        for mine, node, other in ((self._partners[0], a, b), (self._partners[1], b, a)):
            partner, before = mine.setdefault(id(node), (other, path))
            if partner is not other:
                if len(self.result.differences) >= _MOST_KEPT:
                    self.result.total += 1
                    return False
                first = mine is self._partners[0]
                text = f"the same object as {before}" if first else "an object of its own"
                values = (text, "an object of its own" if first else f"the same object as {before}")
                self.note(path, "objects are shared in another way", a, b, values=values)
                return False
        return True

    def note(
        self, path: Path, what: str, a: Node | None, b: Node | None, *, values: tuple[str, str] | None = None
    ) -> None:
        self.result.total += 1
        if len(self.result.differences) < _MOST_KEPT:
            texts = values or (_shown(a, b), _shown(b, a))
            difference = PickleDifference(
                path=str(path),
                what=what,
                a=None if a is None else PickleSide(value=texts[0], opcode=a.opcode, offset=a.offset),
                b=None if b is None else PickleSide(value=texts[1], opcode=b.opcode, offset=b.offset),
                hint=hint_for(a and a.value, b and b.value),
            )
            self.result.differences.append(difference)


def _name(path: Path) -> str:
    """Return a tensor's name: its key in a state dict where it has one, else the path to it."""
    return path.state_key() or str(path)


def _same_value(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    # Bit by bit: 0.0 is not -0.0, and NaN is itself.
    return repr(a) == repr(b) if isinstance(a, float) else a == b


def _shown(node: Node | None, other: Node | None) -> str:
    """Show a value in a few words, as they tell it from the other one."""
    if node is None:
        return ""
    if other is None:
        return key_text(node)
    a, b = node.value, other.value
    start = 0
    if isinstance(a, _LONG) and type(a) is type(b) and max(len(a), len(b)) > _LONGEST_SHOWN:
        start = max(0, _first_difference(a, b) - _LONGEST_SHOWN // 3)
    return spelled_apart(_part(node, start), _part(other, start))[0]


def _part(node: Node, start: int) -> str:
    """Show a text or bytes from `start` on, "" for none of it; anything else in a few words."""
    value = node.value
    if not isinstance(value, _LONG) or len(value) <= _LONGEST_SHOWN:
        return key_text(node)
    stop = start + _LONGEST_SHOWN - 10
    part = value[start:stop]
    shown = f'"{repr(part)[1:-1]}"' if isinstance(part, str) else repr(bytes(part))
    return f"{'...' if start else ''}{shown}{'...' if stop < len(value) else ''}"


def _first_difference(a: str | bytes | bytearray, b: str | bytes | bytearray) -> int:
    """Return the place from which two texts, or two values of bytes, differ."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _outline(node: Node, depth: int = 3) -> object:
    """Return a hashable value that is equal for equal nodes; None for objects and for large tuples."""
    if node.kind in (NodeKind.ATOM, NodeKind.GLOBAL):
        value = bytes(node.value) if isinstance(node.value, bytearray) else node.value
        if isinstance(value, float):
            value = repr(value)
        elif isinstance(value, int) and abs(value) > _LARGEST_HASHED:
            value = hex(value)
        return node.kind, type(node.value), value
    if node.kind in (NodeKind.TUPLE, NodeKind.FROZENSET):
        if not depth or len(node.items) > _LARGEST_OUTLINE:
            return None
        parts = tuple(_outline(item, depth - 1) for item in node.items)
        return None if None in parts else (node.kind, parts)
    return None


def _is_reordered(a: Node, b: Node) -> bool:
    """Whether two sequences have equal elements in another order; False where elements are objects."""
    if a.kind not in _SEQUENCES or len(a.items) != len(b.items) or len(a.items) < 2:
        return False
    left = [_outline(item) for item in a.items]
    right = [_outline(item) for item in b.items]
    return None not in left and left != right and Counter(left) == Counter(right)


def _orders(a: Sequence[Node], b: Sequence[Node]) -> tuple[str, str]:
    """Show both orders from the first place where they differ."""
    pairs = zip(map(_outline, a), map(_outline, b), strict=False)
    start = next((place for place, (x, y) in enumerate(pairs) if x != y), 0)
    shown = []
    for nodes in (a, b):
        words = ", ".join(key_text(node) for node in nodes[start : start + 5])
        shown.append(("... " if start else "") + words + (" ..." if len(nodes) > start + 5 else ""))
    return shown[0], shown[1]


def _by_key(node: Node) -> dict[object, tuple[Node, Node]] | None:
    """Return the items by their keys; None where a key is an object or occurs twice."""
    found = {_outline(key): (key, value) for key, value in node.pairs}
    return None if None in found or len(found) < len(node.pairs) else found


def _other_arguments(node: Node) -> Sequence[tuple[str, Node]]:
    """Return the parts of a tensor beyond its numbers, each with the step that leads to it."""
    names = {4: ".requires_grad", 5: "._backward_hooks"}
    arguments = node.parts[1].items
    return [
        (names.get(place, f".__reduce__()[1][{place}]"), arguments[place])
        for place in range(4, len(arguments))
    ]
