"""Lays what has bytes out as a tree: tensors by dotted name, code by distribution and folder, resources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.inspection.contents import RecordFacts
from hermpkg_build.inspection.groups import Belongings, GroupKey, GroupKind
from hermpkg_build.inspection.tensors import TensorFacts

STUBS = "stubs of mocked modules"
NAMELESS = "storages without a name"
UNUSED = "bytes that no tensor uses"


class ByteTree:
    """A tree under construction, in columns: the name of each node, its parent, own bytes, kind and subject.

    A subject is the number of a tensor (kind ``tensors``) or of a record (all others), -1 for folders.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], int] = {(): 0}
        self._rows: list[tuple[str, int, int, str, int]] = [("everything", -1, 0, "", -1)]

    def add(self, path: Sequence[str], size: int, kind: str, subject: int) -> None:
        """Add a leaf with its folders. Where a folder has the path of the leaf, the leaf lies in it."""
        parent = 0
        for depth in range(1, len(path)):
            key = tuple(path[:depth])
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = len(self._rows)
                self._rows.append((path[depth - 1], parent, 0, kind, -1))
            parent = place
        self._rows.append((path[-1], parent, size, kind, subject))

    def to_json(self) -> dict[str, Json]:
        """The columns of the tree; node 0 is the root, and every parent comes before its children."""
        name, parent, size, kind, subject = zip(*self._rows, strict=True)
        return {
            "name": list(name),
            "parent": list(parent),
            "bytes": list(size),
            "kind": list(kind),
            "subject": list(subject),
        }


def place_of_record(record: RecordFacts, group: GroupKey) -> tuple[list[str], str]:
    """Return the path in the tree, and the kind, of a record that is not a storage."""
    segments = record.name.split("/")
    if record.kind == RecordKind.MOCK and group.kind is not GroupKind.FORMAT:
        return [STUBS, *segments], "mock"
    if group.kind in (GroupKind.FORMAT, GroupKind.PICKLES):
        return [str(group), record.name], str(group.kind)
    return [str(group), *segments], str(group.kind)


def place_of_tensor(tensor: TensorFacts) -> list[str]:
    """Return the path of a tensor in the tree: its pickle, and the parts of its dotted name."""
    # A path that is no state dict's key has brackets, in which dots mean nothing.
    parts = [tensor.name] if "[" in tensor.name else tensor.name.split(".")
    return [str(GroupKind.TENSORS), tensor.pickle, *parts]


def shares_of_storages(tensors: Sequence[TensorFacts]) -> Iterator[tuple[int, int]]:
    """Give (number of a tensor, bytes), which add up to the storages; number -1 has what no tensor uses.

    Bytes that several tensors use count once, for the first of them.
    """
    left: dict[str, int] = {}
    for number, tensor in enumerate(tensors):
        rest = left.setdefault(tensor.storage, tensor.storage_bytes)
        taken = min(tensor.bytes, rest)
        left[tensor.storage] = rest - taken
        yield number, taken
    unused = sum(left.values())
    if unused:
        yield -1, unused


def byte_tree(
    records: Sequence[RecordFacts],
    belongings: Belongings,
    tensors: Sequence[TensorFacts],
) -> ByteTree:
    """Make the tree of all bytes of the records of an artifact."""
    tree = ByteTree()
    top, kind = str(GroupKind.TENSORS), str(GroupKind.TENSORS)
    for number, size in shares_of_storages(tensors):
        path = place_of_tensor(tensors[number]) if number >= 0 else [top, UNUSED]
        tree.add(path, size, kind, number)
    used = {tensor.storage for tensor in tensors}
    for number, record in enumerate(records):
        if record.kind == RecordKind.STORAGE:
            if record.name not in used:
                tree.add([top, NAMELESS, record.name], record.bytes, "storage", number)
            continue
        path, kind = place_of_record(record, belongings.of_record(record.name, record.kind))
        tree.add(path, record.bytes, kind, number)
    return tree
