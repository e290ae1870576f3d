"""Reads what loading a pickle would import, call and change, and where in the object each of it is.

All pickles of a stream are read, each up to its end or to where every unpickler fails: what stands before
that has run by then. Names are those that unpicklers look up: below protocol 3 also the ones of Python 2.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Iterator

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.reading.nodes import (
    COMPUTED,
    EXTENSION,
    Node,
    NodeKind,
    Reading,
    Step,
    read_stream,
)
from hermpkg_build.pickles.reading.paths import Path, children, key_text, root_path
from hermpkg_build.scanning.harmless import is_harmless
from hermpkg_build.scanning.joblib_arrays import names_wrapper, read_with_arrays
from hermpkg_build.scanning.looked_up_names import is_lookup, maker_of, mere_getters, static_name
from hermpkg_build.scanning.numpy_types import is_sound_type

__all__ = ["COMPUTED", "Deed", "PickleContents", "PickleUse", "PickledBytes", "Place", "contents_of_pickle"]

MOST_PLACES = 8
"""So many places of one use are told; the others are counted."""

FORGED_TYPE = ("numpy", "dtype.__setstate__")
"""Stands for a state that makes numpy take numbers for objects, or read behind an array."""

_LONGEST = 160
_MOST_PICKLES = 10_000


class Deed(str, enum.Enum):
    """What an unpickler does with a name."""

    IMPORTS = "imports"
    CALLS = "calls"
    STATE = "gives state to"
    """Calls ``__setstate__`` of an object, or sets its attributes."""
    FILLS = "adds items to"
    """Calls ``append``, ``extend``, ``add`` or ``__setitem__`` of an object that is not a plain container."""
    CHANGES = "changes"
    """Does one of the latter two to what it imported itself: a class, a module's variable."""
    ASKS = "asks its reader for"
    """An object by a persistent identifier, a buffer beside the pickle."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is in a pickle.

    `path` is the way to it in the object, "" for what is thrown away; `offset` that of the opcode in the
    stream; `arguments` what a function is called with, in few words.
    """

    path: str
    offset: int
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleUse:
    """Everything that a pickle does with one name in one way.

    `module` and `name` are those that the unpickler looks up, both `COMPUTED` where only loading shows them,
    or where what a call returned is called itself. `places` are the first of them, none where the name is
    harmless; `count` is of all.
    """

    deed: Deed
    module: str
    name: str
    count: int
    places: tuple[Place, ...]

    @property
    def full_name(self) -> str:
        """``os.system``."""
        return f"{self.module}.{self.name}" if self.module != COMPUTED else COMPUTED

    @property
    def is_computed(self) -> bool:
        """Whether the name only shows when the pickle is loaded."""
        return self.module == COMPUTED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PickledBytes:
    """Bytes or a text within a pickle, which may hold a file of their own."""

    data: bytes | memoryview
    path: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleContents:
    """What loading the pickles of a stream does.

    `problem` says why the last pickle cannot be read to its end, "" where all can. `pickles` counts those
    that have an end; `end` is the offset behind the last of them, or that of the opcode that no unpickler
    gets past. The last pickle `is_cut` where it may go on behind the end of the data. `nested` are values
    that may be files.
    """

    uses: tuple[PickleUse, ...]
    pickles: int
    end: int
    problem: str
    nested: tuple[PickledBytes, ...]
    is_cut: bool = False

    @property
    def globals(self) -> frozenset[tuple[str, str]]:
        """The (module, name) pairs that are imported."""
        return frozenset((use.module, use.name) for use in self.uses if use.deed is Deed.IMPORTS)

    @property
    def names_nothing(self) -> bool:
        """Whether it gives no name: all that it uses stands there as a number or an identifier."""
        return all(
            use.is_computed or use.deed is Deed.ASKS or use.name.startswith(EXTENSION) for use in self.uses
        )

    @property
    def runs(self) -> bool:
        """Whether something of it is called, or changed, that it names."""
        named = (Deed.STATE, Deed.FILLS)
        return any(
            use.deed in (Deed.CALLS, Deed.CHANGES) or (use.deed in named and not use.is_computed)
            for use in self.uses
        )


def contents_of_pickle(data: bytes | memoryview, record: str = "", start: int = 0) -> PickleContents:
    """Read the pickles that stand one after the other from the offset `start` of `data`.

    `record` names the object in paths. Never raises for what the bytes are. What follows the end of a pickle
    is read as one where it begins as one.
    """
    uses = _Uses()
    nested: list[PickledBytes] = []
    seen: set[int] = set()
    problem, pickles, end, is_cut = "", 0, start, False
    while pickles < _MOST_PICKLES:
        end_before, reading = end, read_stream(data, end)
        if pickles and reading.problem and not reading.steps:
            break
        end, problem, is_cut = reading.end, reading.problem, reading.is_cut
        readings: tuple[Reading, ...] = (reading,)
        if names_wrapper(reading):
            # Who reads it without joblib reads the bytes of its arrays as opcodes, until one of them fails.
            readings = (*read_with_arrays(data, end_before), reading)
            end, problem = readings[0].end, readings[0].problem
            is_cut = any(each.is_cut for each in readings)
        for each in readings:
            ways = _Ways(each, root_path(record) if record else Path("object", ""))
            passed_over = mere_getters(each)
            for step in each.steps:
                if id(step.node) not in passed_over:
                    uses.add(step, ways)
            nested += [found for found in _nested(each, ways) if found.offset not in seen]
            seen.update(found.offset for found in nested)
        if problem:
            break
        pickles += 1
        if end >= len(data):
            break
    if pickles == _MOST_PICKLES and end < len(data):
        problem = f"more than {_MOST_PICKLES:,} pickles after each other"
    return PickleContents(
        uses=uses.result(),
        pickles=pickles,
        end=end,
        problem=problem,
        nested=tuple(nested),
        is_cut=is_cut,
    )


class _Ways:
    """The ways to the objects of a reading, found when the first is asked for."""

    def __init__(self, reading: Reading, root: Path) -> None:
        self._reading = reading
        self._root = root
        self._found: dict[int, Path] | None = None

    def to(self, node: Node) -> str:
        """The way to `node`, "" where the object does not hold it."""
        if self._found is None:
            self._found = dict(self._walk())
        path = self._found.get(id(node))
        return _cut(str(path)) if path is not None else ""

    def _walk(self) -> Iterator[tuple[int, Path]]:
        for node, path in self._nodes():
            yield id(node), path

    def _nodes(self) -> Iterator[tuple[Node, Path]]:
        objects = self._reading.objects
        several = len(objects) > 1
        queue = deque(
            (self._root.to(f"<{place}>") if several else self._root, node)
            for place, node in enumerate(objects)
        )
        seen = {id(node) for node in objects}
        while queue:
            path, node = queue.popleft()
            yield node, path
            for way, child in children(node, path):
                if id(child) not in seen:
                    seen.add(id(child))
                    queue.append((way, child))
            if node.kind is NodeKind.GLOBAL:
                queue.extend((path.to(".<name>"), part) for part in node.parts if id(part) not in seen)


class _Uses:
    """Collects uses by deed and name."""

    def __init__(self) -> None:
        self._places: dict[tuple[Deed, str, str], list[Place]] = {}
        self._counts: dict[tuple[Deed, str, str], int] = {}
        self._seen: set[tuple[int, Deed, str, str]] = set()

    def add(self, step: Step, ways: _Ways) -> None:
        """Add what a step does."""
        deed, named = _deed(step)
        module, name = _name(named, deed, step.protocol)
        if deed is Deed.STATE:
            module, name = _stated_name(step, (module, name))
        key = (deed, module, name)
        if (step.offset, *key) in self._seen:
            return  # Found in another reading of the same bytes.
        self._seen.add((step.offset, *key))
        self._counts[key] = self._counts.get(key, 0) + 1
        places = self._places.setdefault(key, [])
        if len(places) < MOST_PLACES and (deed is Deed.CHANGES or not is_harmless(module, name)):
            called_with = step.node.parts[1:] if deed is Deed.CALLS else ()
            arguments = ", ".join(map(key_text, called_with))
            places.append(Place(path=ways.to(step.node), offset=step.offset, arguments=_cut(arguments)))

    def result(self) -> tuple[PickleUse, ...]:
        """All uses, in the order of their first steps."""
        return tuple(
            PickleUse(deed=deed, module=module, name=name, count=self._counts[key], places=tuple(places))
            for key, places in self._places.items()
            for deed, module, name in [key]
        )


def _deed(step: Step) -> tuple[Deed, Node]:
    """What a step does, and the object whose name says to whom."""
    node = step.node
    if is_lookup(node):
        return Deed.IMPORTS, node
    if step.opcode in _CALLS and node.kind is NodeKind.CALL:
        return Deed.CALLS, node.parts[0]
    if step.opcode in _ASKS:
        return _asked(node)
    if step.opcode == "BUILD":
        return (Deed.CHANGES if node.kind is NodeKind.GLOBAL else Deed.STATE), maker_of(node)
    if step.opcode in _FILLS:
        return (Deed.CHANGES if node.kind is NodeKind.GLOBAL else Deed.FILLS), maker_of(node)
    return Deed.IMPORTS, node


def _asked(node: Node) -> tuple[Deed, Node]:
    """An object by an identifier; torch.package calls the function that one identifier of it holds."""
    items = node.parts[0].items
    if items and items[0].value == _CALLED_BY_IMPORTER:
        for item in items[1:3]:
            if item.kind in (NodeKind.GLOBAL, NodeKind.CALL):
                return Deed.CALLS, item
        return Deed.CALLS, node.parts[0]
    return Deed.ASKS, node


def _name(node: Node, deed: Deed, protocol: int) -> tuple[str, str]:
    if deed is Deed.ASKS:
        return "persistent", key_text(node.parts[0]) if node.opcode != "NEXT_BUFFER" else "buffer"
    return static_name(node, protocol) or (COMPUTED, COMPUTED)


def _stated_name(step: Step, name: tuple[str, str]) -> tuple[str, str]:
    """The name of what takes a state: of a type of numpy its method, where the state makes no sense."""
    module, made = name
    is_type = (module, made) == ("numpy", "dtype") and not is_sound_type(step.node)
    return FORGED_TYPE if is_type or module == "numpy.dtypes" else name


def _nested(reading: Reading, ways: _Ways) -> Iterable[PickledBytes]:
    """Texts and bytes that begin as files do that something could be loaded from."""
    for node in reading.texts:
        value = node.value
        assert isinstance(value, (str, bytes, bytearray, memoryview))
        head = value[:16].encode("latin-1", "replace") if isinstance(value, str) else bytes(value[:16])
        if head.startswith(NESTED_STARTS):
            data = value if isinstance(value, memoryview) else _bytes_of(value)
            yield PickledBytes(data=data, path=ways.to(node), offset=node.offset)


def _bytes_of(value: str | bytes | bytearray) -> bytes:
    return value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"


NESTED_STARTS: tuple[bytes, ...] = (
    *(b"\x80" + bytes([protocol]) for protocol in range(6)),
    *(
        b"c",
        b"(",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ",
        b"x\x9c",
        b"x\xda",
        b"x\x01",
        b"\x93NUMPY",
    ),
    *(b"gA", b"\x7fELF", b"MZ"),
)
"""How bytes begin that may be a pickle, also one in base64, an archive, compressed, or native code."""

_CALLS = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"})
_ASKS = frozenset({"PERSID", "BINPERSID", "NEXT_BUFFER"})
_CALLED_BY_IMPORTER = "reduce_package"
_FILLS = frozenset({"APPEND", "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS"})
