"""What torch.save writes without a ZIP, and tensors that plain pickles hold, read as data.

Such a file is five pickles (a number that tells it, a version, the machine, the object, the keys of the
storages), and the bytes of each storage behind its length. A plain pickle has such a file for each tensor, as
an argument of ``torch.storage._load_from_bytes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from hermpkg_build.archive.layout import DATA
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.pickles.reading.nodes import Node, NodeKind, read_stream
from hermpkg_build.pickles.reading.opcode_stream import PickleBytes
from hermpkg_build.pickles.reading.paths import is_global
from hermpkg_build.pickles.reading.tensors import ELEMENT_SIZES, Storage, storage_of

_MAGIC = 0x1950A86A20F9469CFC6C
_LENGTH = 8
_ENCODERS = frozenset({"encode"})
_LOADERS = frozenset({"_load_from_bytes"})
_SIZES = {
    **ELEMENT_SIZES,
    "UntypedStorage": 1,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bytes of a storage are: from `offset` on, in the file or in `data`, bytes of the pickle."""

    offset: int
    size: int
    data: bytes | None = None


@dataclass(slots=True, kw_only=True)
class PickleFile:
    """A pickle that is a file of its own: the object, and the places of its storages by their record."""

    root: Node
    places: dict[str, Place] = field(default_factory=dict)


def read_pickle_file(data: PickleBytes) -> PickleFile:
    """Read a file, one of torch.save without a ZIP or a plain pickle. Raises ValueError."""
    root, end = _next(data, 0)
    if root.kind is NodeKind.ATOM and root.value == _MAGIC:
        return _legacy(data, end)
    file = PickleFile(root=root)
    for number, node in enumerate(_loads(root)):
        _replace_by_storage(node, number, file)
    return file


def _next(data: PickleBytes, start: int) -> tuple[Node, int]:
    """Return the object of the pickle at `start`, and where the next one begins. Raises ValueError."""
    reading = read_stream(data, start)
    if reading.problem:
        raise ValueError(reading.problem)
    return reading.objects[0], reading.end


def _legacy(data: PickleBytes, start: int) -> PickleFile:
    """Read what follows the first pickle of a file of torch.save."""
    _, start = _next(data, start)
    machine, start = _next(data, start)
    order = {key.value: value.value for key, value in machine.pairs}.get("little_endian")
    if order is not True:
        raise ValueError("torch.save wrote it on a machine with another order of bytes")
    root, start = _next(data, start)
    keys, start = _next(data, start)
    storages = {storage.record: storage for storage in _storages(root)}
    places: dict[str, Place] = {}
    for key in keys.items:
        record = f"{DATA}{key.value}.storage"
        storage = storages.get(record)
        if storage is None or storage.dtype not in _SIZES:
            raise ValueError(f"nothing says how long its storage {key.value!r} is")
        offset = start + _LENGTH
        length = int.from_bytes(data[start:offset], "little") * _SIZES[storage.dtype]
        if offset + length > len(data):
            raise ValueError("it ends within the data of a tensor")
        places[record] = Place(offset=offset, size=length)
        start = offset + length
    return PickleFile(root=root, places=places)


def _nodes(root: Node) -> Iterator[Node]:
    """Give all objects of a pickle, each once."""
    met = {id(root)}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for part in chain(node.parts, node.items, node.states, chain.from_iterable(node.pairs)):
            if part.kind is not NodeKind.ATOM and id(part) not in met:
                met.add(id(part))
                stack.append(part)


def _storages(root: Node) -> Iterator[Storage]:
    for node in _nodes(root):
        storage = storage_of(node)
        if storage is not None:
            yield storage


def _loads(root: Node) -> list[Node]:
    """Return the calls that load storages out of bytes."""
    return [
        node
        for node in _nodes(root)
        if node.kind is NodeKind.CALL
        and len(node.parts) == 2
        and is_global(node.parts[0], "torch.storage", _LOADERS)
        and len(node.parts[1].items) == 1
        and _bytes_of(node.parts[1].items[0]) is not None
    ]


def _bytes_of(node: Node) -> bytes | None:
    """Return a bytes object; pickles of protocols below 3 write it as a text that is encoded."""
    if isinstance(node.value, bytes):
        return node.value
    if node.kind is NodeKind.CALL and is_global(node.parts[0], "_codecs", _ENCODERS):
        arguments = node.parts[1].items if len(node.parts) == 2 else []
        values = [argument.value for argument in arguments]
        if len(values) == 2 and isinstance(values[0], str) and values[1] == "latin1":
            try:
                return values[0].encode("latin1")
            except UnicodeEncodeError:
                return None
    return None


def _replace_by_storage(node: Node, number: int, file: PickleFile) -> None:
    """Make of a call that loads a storage out of bytes what an archive has in its place: a persistent id."""
    data = _bytes_of(node.parts[1].items[0])
    assert data is not None
    magic, end = _next(data, 0)
    if magic.kind is not NodeKind.ATOM or magic.value != _MAGIC:
        return
    loaded = _legacy(data, end)
    storage = storage_of(loaded.root)
    place = loaded.places.get(storage.record) if storage is not None else None
    if storage is None or place is None:
        return
    record = f"bytes{number}"
    file.places[f"{DATA}{record}.storage"] = Place(offset=place.offset, size=place.size, data=data)
    kind, device, count = (loaded.root.parts[0].items[at] for at in (1, 3, 4))
    word, key = (
        Node(kind=NodeKind.ATOM, opcode=node.opcode, offset=node.offset, value=value)
        for value in ("storage", record)
    )
    identifier = Node(kind=NodeKind.TUPLE, opcode=node.opcode, offset=node.offset)
    identifier.items = [word, kind, key, device, count]
    node.kind, node.parts = NodeKind.PERSISTENT, [identifier]
