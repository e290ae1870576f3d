"""Reads a pickle into a graph of nodes, opcode by opcode, without importing or running anything."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.reading.opcode_stream import CutOffError, PickleSource, opcodes_of

COMPUTED = "<computed>"
"""Stands for the name of a GLOBAL that only shows when the pickle is loaded."""

EXTENSION = "extension "
"""Begins the name, in ``copyreg``, of a GLOBAL that a number stands for, which the process may know."""


class NodeKind(str, enum.Enum):
    """The kinds of objects in a pickle."""

    ATOM = "atom"
    """A number, text, bytes, None or a truth value."""
    GLOBAL = "global"
    """A class or function, by name."""
    TUPLE = "tuple"
    LIST = "list"
    DICT = "dict"
    SET = "set"
    FROZENSET = "frozenset"
    CALL = "object"
    """The result of a call, such as every instance of a class."""
    PERSISTENT = "persistent"
    """An object that the loader finds by an identifier: in archives, a tensor storage."""

    __str__ = str.__str__


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """One object: the opcode that makes it, the offset of the opcode, and the parts of the object.

    `value` is an ATOM's value, or a GLOBAL's (module, name). `items` are the elements of a sequence or
    set, also those appended to a CALL; `pairs` the items of a dict or those set on a CALL; `parts` the
    function, arguments and keyword arguments of a CALL, or a PERSISTENT's identifier; `states` the
    states that BUILD gives an object.
    """

    kind: NodeKind
    opcode: str
    offset: int
    value: object = None
    items: Sequence[Node] = ()
    pairs: Sequence[tuple[Node, Node]] = ()
    parts: Sequence[Node] = ()
    states: Sequence[Node] = ()


def read_pickle(data: bytes) -> Node:
    """The object that the pickle `data` holds. Raises ValueError where it makes no sense."""
    return _Reader().read(data)


def read_rest(data: bytes, start: int, made: Node, memo: Mapping[int, Node]) -> Node:
    """The object of a pickle of which all before `start` made the object `made`, and nothing else.

    Raises ValueError where it makes no sense, also where it refers to anything that is not in `memo`.
    """
    reader = _Reader()
    reader.stack.append(made)
    reader.memo.update(memo)
    return reader.read(data, start)


MOST_OPCODES = 10_000_000
"""So many opcodes of one pickle in a stream are read: the objects that they make take a gigabyte or two."""


class Step(NamedTuple):
    """Something that an unpickler does and that can run code, by the opcode at `offset`.

    It imports `node`, makes it by a call, or hands something to one of its methods. `protocol` is the one
    that the pickle claims so far.
    """

    opcode: str
    node: Node
    offset: int
    protocol: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """One pickle of a stream, read up to its STOP or to where every unpickler fails.

    `objects` is what it holds: one object, or all that was on the stack where it fails for the reason
    `problem`, which more data might mend where it `is_cut`. `steps` have run by then, even if their results
    are thrown away; `end` is the offset behind STOP, or of the opcode that fails. `texts` may be files.
    """

    objects: tuple[Node, ...]
    steps: tuple[Step, ...]
    texts: tuple[Node, ...]
    end: int
    problem: str
    is_cut: bool = False


def read_stream(
    data: PickleSource, start: int = 0, after_state: Callable[[Node], None] | None = None
) -> Reading:
    """Read the pickle at the offset `start` of `data`, sound or not.

    `after_state` is called with each object that was given a state; it may move a stream that is read.
    """
    reader, failure = _Reader(after_state), None
    try:
        objects = [reader.read(data, start, MOST_OPCODES)]
    except ValueError as error:
        objects, failure = [node for nodes in (*reader.marked, reader.stack) for node in nodes], error
    return Reading(
        objects=tuple(objects),
        steps=tuple(reader.steps),
        texts=tuple(reader.texts),
        end=reader.offset if failure else reader.offset + 1,
        problem=str(failure or ""),
        is_cut=isinstance(failure, CutOffError),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleContents:
    """What one reading of a pickle gives.

    `root` is the object that it holds, None where it makes no sense, and `globals` the (module, qualified
    name) pairs that it names, up to there.
    """

    root: Node | None
    globals: frozenset[tuple[str, str]]


def contents_of_pickle(data: bytes) -> PickleContents:
    """Read the pickle `data` as far as it makes sense."""
    reader, root = _Reader(), None
    with suppress(ValueError):
        root = reader.read(data)
    return PickleContents(root=root, globals=frozenset(reader.globals))


class _Reader:
    """The unpickler's machine, with nodes on its stack in place of objects."""

    def __init__(self, after_state: Callable[[Node], None] | None = None) -> None:
        self.after_state = after_state
        self.stack: list[Node] = []
        self.marked: list[list[Node]] = []
        self.memo: dict[int, Node] = {}
        self.globals: set[tuple[str, str]] = set()
        self.steps: list[Step] = []
        self.texts: list[Node] = []
        self.protocol = 0
        self.offset = 0

    def read(self, data: PickleSource, start: int = 0, most: int | None = None) -> Node:
        """See `read_pickle`; a pickle of more opcodes than `most` makes no sense."""
        name = ""
        self.offset = start
        try:
            with paused_collection:
                for name, argument, offset in islice(opcodes_of(data, start), most):
                    self.offset = offset
                    step = _STEPS.get(name)
                    if step is not None:
                        step(self, name, argument, offset)
            if most is not None and name != "STOP":
                raise ValueError(f"more than {most:,} opcodes in one pickle")
            return self.stack.pop()
        except UnicodeDecodeError as error:
            raise ValueError(f"not a sound pickle: {error}") from None
        except (IndexError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ValueError(f"not a sound pickle: {error}") from None

    def push(self, kind: NodeKind, opcode: str, offset: int, value: object = None) -> Node:
        node = Node(kind=kind, opcode=opcode, offset=offset, value=value)
        self.stack.append(node)
        return node

    def push_global(self, opcode: str, offset: int, module: str, name: str) -> None:
        self.globals.add((module, name))
        self.did(self.push(NodeKind.GLOBAL, opcode, offset, (module, name)), opcode, offset)

    def did(self, node: Node, opcode: str, offset: int) -> None:
        self.steps.append(Step(opcode, node, offset, self.protocol))

    def pop(self, count: int) -> list[Node]:
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError("the stack is too short")
        del self.stack[-count:]
        return items

    def pop_marked(self) -> list[Node]:
        items = self.stack
        self.stack = self.marked.pop()
        return items


_T = TypeVar("_T")
_Step = Callable[[_Reader, str, Any, int], None]


def _atom(reader: _Reader, opcode: str, argument: object, offset: int) -> None:
    if opcode in _CONSTANTS:
        argument = _CONSTANTS[opcode]
    node = reader.push(NodeKind.ATOM, opcode, offset, argument)
    if isinstance(argument, (str, bytes, bytearray, memoryview)) and len(argument) >= _SHORTEST_FILE:
        reader.texts.append(node)


def _protocol(reader: _Reader, _: str, argument: Any, __: int) -> None:
    reader.protocol = argument


def _empty(kind: NodeKind) -> _Step:
    def step(reader: _Reader, opcode: str, _: object, offset: int) -> None:
        reader.push(kind, opcode, offset)

    return step


def _from_mark(kind: NodeKind) -> _Step:
    def step(reader: _Reader, opcode: str, _: object, offset: int) -> None:
        items = reader.pop_marked()
        node = reader.push(kind, opcode, offset)
        if kind is NodeKind.DICT:
            node.pairs = _paired(items)
        else:
            node.items = items

    return step


def _short_tuple(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    items = reader.pop(int(opcode[-1]))
    reader.push(NodeKind.TUPLE, opcode, offset).items = items


def _append(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    item = reader.stack.pop()
    node = _filled(reader, opcode, offset)
    node.items = _grown(node.items, [item])


def _extend(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    items = reader.pop_marked()
    node = _filled(reader, opcode, offset)
    node.items = _grown(node.items, items)


def _set_item(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    value = reader.stack.pop()
    key = reader.stack.pop()
    node = _filled(reader, opcode, offset)
    node.pairs = _grown(node.pairs, [(key, value)])


def _set_items(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    items = reader.pop_marked()
    node = _filled(reader, opcode, offset)
    node.pairs = _grown(node.pairs, _paired(items))


def _grown(items: Sequence[_T], more: list[_T]) -> list[_T]:
    """Put `more` behind `items`; most nodes have none, and no list for them."""
    if isinstance(items, list):
        items.extend(more)
        return items
    return [*items, *more]


def _filled(reader: _Reader, opcode: str, offset: int) -> Node:
    """The object that elements or items are put into, by a method of its own unless it is a container."""
    node = reader.stack[-1]
    if node.kind in _WITH_METHODS:
        reader.did(node, opcode, offset)
    return node


def _paired(items: list[Node]) -> list[tuple[Node, Node]]:
    return list(zip(items[::2], items[1::2], strict=True))


def _mark(reader: _Reader, *_: object) -> None:
    reader.marked.append(reader.stack)
    reader.stack = []


def _pop(reader: _Reader, *_: object) -> None:
    if reader.stack:
        reader.stack.pop()
    else:
        reader.pop_marked()


def _pop_mark(reader: _Reader, *_: object) -> None:
    reader.pop_marked()


def _duplicate(reader: _Reader, *_: object) -> None:
    reader.stack.append(reader.stack[-1])


def _put(reader: _Reader, _: str, argument: object, __: int) -> None:
    reader.memo[len(reader.memo) if argument is None else int(str(argument))] = reader.stack[-1]


def _get(reader: _Reader, _: str, argument: object, __: int) -> None:
    reader.stack.append(reader.memo[int(str(argument))])


def _global(reader: _Reader, opcode: str, argument: Any, offset: int) -> None:
    module, name = argument
    reader.push_global(opcode, offset, module, name)


def _stack_global(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    name, module = reader.stack.pop(), reader.stack.pop()
    if isinstance(module.value, str) and isinstance(name.value, str) and module.kind == name.kind == "atom":
        reader.push_global(opcode, offset, module.value, name.value)
        return
    node = reader.push(NodeKind.GLOBAL, opcode, offset, (COMPUTED, COMPUTED))
    node.parts = [module, name]
    reader.did(node, opcode, offset)


def _extension(reader: _Reader, opcode: str, argument: object, offset: int) -> None:
    node = reader.push(NodeKind.GLOBAL, opcode, offset, ("copyreg", f"{EXTENSION}{argument}"))
    reader.did(node, opcode, offset)


def _call(count: int) -> _Step:
    """The step that calls a function with `count` - 1 further values on the stack."""

    def step(reader: _Reader, opcode: str, _: object, offset: int) -> None:
        parts = reader.pop(count)
        node = reader.push(NodeKind.CALL, opcode, offset)
        node.parts = parts
        if parts[0].kind in _WITH_METHODS:
            reader.did(node, opcode, offset)

    return step


def _instance(reader: _Reader, opcode: str, argument: object, offset: int) -> None:
    """INST and OBJ of protocols 0 and 1: a class and the values above the mark."""
    if opcode == "INST":
        # Unpicklers written in Python import the class before they miss a mark.
        _global(reader, opcode, argument, offset)
        function = reader.stack.pop()
        items = reader.pop_marked()
    else:
        items = reader.pop_marked()
        function = items.pop(0)
    arguments = Node(kind=NodeKind.TUPLE, opcode=opcode, offset=offset, items=items)
    node = reader.push(NodeKind.CALL, opcode, offset)
    node.parts = [function, arguments]
    if function.kind in _WITH_METHODS:
        reader.did(node, opcode, offset)


def _build(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    state = reader.stack.pop()
    node = reader.stack[-1]
    node.states = _grown(node.states, [state])
    if node.kind in _WITH_METHODS:
        reader.did(node, opcode, offset)
    if reader.after_state is not None:
        reader.after_state(node)


def _persistent(reader: _Reader, opcode: str, argument: object, offset: int) -> None:
    if opcode == "PERSID":
        identifier = Node(kind=NodeKind.ATOM, opcode=opcode, offset=offset, value=argument)
    else:
        identifier = reader.stack.pop()
    node = reader.push(NodeKind.PERSISTENT, opcode, offset)
    node.parts = [identifier]
    reader.did(node, opcode, offset)


def _buffer(reader: _Reader, opcode: str, _: object, offset: int) -> None:
    identifier = Node(kind=NodeKind.ATOM, opcode=opcode, offset=offset, value="out-of-band buffer")
    reader.push(NodeKind.PERSISTENT, opcode, offset).parts = [identifier]


_CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ATOMS = (
    *_CONSTANTS,
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_SHORTEST_FILE = 16
_WITH_METHODS = frozenset({NodeKind.GLOBAL, NodeKind.CALL, NodeKind.PERSISTENT})
"""What can be called and take a state; with anything else every unpickler fails."""
# FRAME and READONLY_BUFFER leave the objects as they are, and are not here.
_STEPS: Mapping[str, _Step] = {
    **dict.fromkeys(_ATOMS, _atom),
    "PROTO": _protocol,
    "EMPTY_LIST": _empty(NodeKind.LIST),
    "EMPTY_TUPLE": _empty(NodeKind.TUPLE),
    "EMPTY_DICT": _empty(NodeKind.DICT),
    "EMPTY_SET": _empty(NodeKind.SET),
    "LIST": _from_mark(NodeKind.LIST),
    "TUPLE": _from_mark(NodeKind.TUPLE),
    "DICT": _from_mark(NodeKind.DICT),
    "FROZENSET": _from_mark(NodeKind.FROZENSET),
    "TUPLE1": _short_tuple,
    "TUPLE2": _short_tuple,
    "TUPLE3": _short_tuple,
    "APPEND": _append,
    "APPENDS": _extend,
    "ADDITEMS": _extend,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": _duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _extension),
    "REDUCE": _call(2),
    "NEWOBJ": _call(2),
    "NEWOBJ_EX": _call(3),
    "INST": _instance,
    "OBJ": _instance,
    "BUILD": _build,
    "PERSID": _persistent,
    "BINPERSID": _persistent,
    "NEXT_BUFFER": _buffer,
}
