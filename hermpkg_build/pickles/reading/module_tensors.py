"""The plain tensors in the state of a torch module, found without making a graph of its pickle.

A module's pickle is mostly tables that lead to no tensor, and tensors that are the same twenty opcodes again
and again. So objects are no more here than what they hold, each tensor is one match of a pattern, and at the
first opcode or object that could mean anything else all is left to `tensor_entries`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.pickles.reading.flat_tensors import KEY, PLAIN_TENSOR, FlatTensor, PlainTensors
from hermpkg_build.pickles.reading.module_copies import SeenModules
from hermpkg_build.pickles.reading.module_states import (
    ORDERED,
    PARAMETER,
    DictParts,
    Items,
    MadeObject,
    state_tensors,
)

_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_OTHER_MAKERS = frozenset({"torch._utils", "torch._tensor", "torch.fx.graph_module"})
_CHOOSER = ("operator", "itemgetter")


def module_tensors(data: bytes) -> dict[str, FlatTensor] | None:
    """Return the tensors of the `state_dict` of a module by name; None where `data` is not of that form.

    They are those that `tensor_entries` has for it `in_state`, in the same order.
    """
    read = _read(data)
    return None if read is None else read.tensors


def only_module_tensors(data: bytes) -> dict[str, FlatTensor] | None:
    """Return what `module_tensors` does; None as well where the pickle may have other tensors than those."""
    read = _read(data)
    return read.tensors if read is not None and read.are_all else None


class _Read(NamedTuple):
    """The tensors of a state dict, and whether the pickle has no other."""

    tensors: dict[str, FlatTensor]
    are_all: bool


def _read(data: bytes) -> _Read | None:
    if data[:2] not in (b"\x80\x02", b"\x80\x03"):
        return None
    with paused_collection:
        machine = _Machine(data)
        try:
            tensors = state_tensors(machine.run(2))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error, RecursionError):
            # `tensor_entries` says what is wrong, if anything is.
            return None
        made = sum(tensor is not None for _, tensor in machine.seen.places)
        are_all = not machine.refers_to_tensor and made == len({*map(id, tensors.values())})
        return _Read(tensors, are_all)


class _Machine:
    """An unpickler of few opcodes.

    `refers_to_tensor` says that a tensor itself, not a parameter of it, stands in several places.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.refers_to_tensor = False
        self.plain = PlainTensors()
        self.seen = SeenModules(data)
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []

    def run(self, at: int) -> object:
        """Return the object of the pickle. Raises ValueError, or what comes of what makes no sense."""
        data, known, steps = self.data, self.plain.known, _STEPS
        stack, copy = self.stack, self.seen.copy
        while True:
            code = data[at]
            if code in _GETS:
                end = at + (2 if code == _BINGET else 5)
                value = known[data[at:end]]
                if type(value) is not tuple:
                    stack.append(value)
                    if type(value) is FlatTensor:
                        self.refers_to_tensor = True
                elif value == _REBUILD:
                    end = self.tensor(at)
                elif value == ORDERED and data[end : end + 2] == _CALLED_EMPTY:
                    stack.append(DictParts())
                    end += 2
                elif data[end : end + 2] == _NEW_EMPTY:
                    copied = copy(value, end)
                    if copied is None:
                        stack.append(self.new(value, end))
                        end += 2
                    else:
                        end, made = copied
                        stack.append(made)
                else:
                    stack.append(value)
                at = end
            elif code == _TEXT:
                end = at + 5 + int.from_bytes(data[at + 1 : at + 5], "little")
                stack.append(data[at + 5 : end].decode("utf-8", "surrogatepass"))
                at = end
            elif code == _REDUCE:
                arguments = stack.pop()
                stack[-1] = _made(stack[-1], arguments)
                at += 1
            elif code == _EMPTY_TUPLE:
                stack.append(_NOTHING)
                at += 1
            elif code == _STOP:
                return stack.pop()
            else:
                at = steps[code](self, at)
                stack = self.stack

    def tensor(self, at: int) -> int:
        """Push the tensor whose maker is named at `at`, and return where it ends."""
        match = PLAIN_TENSOR.match(self.data, at)
        if match is None:
            raise ValueError
        tensor = self.plain.tensor(match)
        self.stack.append(tensor)
        self.seen.places.append((match.start(KEY), tensor))
        return match.end()

    def new(self, kind: tuple[str, str], at: int) -> object:
        """Return what a class makes of no arguments at `at`."""
        made = _made(kind, _NOTHING)
        if type(made) is MadeObject:
            made.begun = (at, len(self.seen.places), self.plain.count)
        return made


_Step: TypeAlias = Callable[[_Machine, int], int]
_NOTHING: list[object] = []
_GETS = b"hj"
_CALLED_EMPTY = b")R"
_NEW_EMPTY = b")\x81"
_BINGET, _REDUCE, _EMPTY_TUPLE, _STOP, _TEXT = b"hR).X"


def _made(function: object, arguments: object) -> object:
    """Return what a call gives; raise ValueError for one that could make a tensor, or choose one."""
    if function == ORDERED and not arguments and type(arguments) is list:
        return DictParts()
    if type(function) is not tuple or type(arguments) is not list or function == _CHOOSER:
        raise ValueError
    if function[0] in _OTHER_MAKERS and not (function == PARAMETER and type(arguments[0]) is FlatTensor):
        raise ValueError
    return MadeObject(function, arguments)


def _put(size: int) -> _Step:
    def step(machine: _Machine, at: int) -> int:
        machine.plain.put(machine.data[at : at + size], machine.stack[-1])
        return at + size

    return step


def _global(machine: _Machine, at: int) -> int:
    data = machine.data
    middle = data.index(b"\n", at)
    end = data.index(b"\n", middle + 1)
    name = data[at + 1 : middle].decode(), data[middle + 1 : end].decode()
    if name == _REBUILD:
        return machine.tensor(at)
    machine.stack.append(name)
    return end + 1


def _constant(value: object) -> _Step:
    def step(machine: _Machine, at: int) -> int:
        machine.stack.append(value)
        return at + 1

    return step


def _number(form: str) -> _Step:
    size = 1 + struct.calcsize(form)

    def step(machine: _Machine, at: int) -> int:
        machine.stack.append(struct.unpack_from(form, machine.data, at + 1)[0])
        machine.seen.places.append((at, None))
        return at + size

    return step


def _empty(kind: type[DictParts | Items]) -> _Step:
    def step(machine: _Machine, at: int) -> int:
        machine.stack.append(kind())
        return at + 1

    return step


def _mark(machine: _Machine, at: int) -> int:
    machine.marked.append(machine.stack)
    machine.stack = []
    return at + 1


def _tuple(machine: _Machine, at: int) -> int:
    items = machine.stack
    machine.stack = machine.marked.pop()
    machine.stack.append(items)
    return at + 1


def _short_tuple(size: int) -> _Step:
    def step(machine: _Machine, at: int) -> int:
        stack = machine.stack
        if len(stack) < size:
            raise ValueError
        stack[-size:] = [stack[-size:]]
        return at + 1

    return step


def _set_items(machine: _Machine, at: int) -> int:
    items = machine.stack
    machine.stack = machine.marked.pop()
    return _filled(machine, items, DictParts, at)


def _set_item(machine: _Machine, at: int) -> int:
    value, key = machine.stack.pop(), machine.stack.pop()
    return _filled(machine, [key, value], DictParts, at)


def _extend(machine: _Machine, at: int) -> int:
    items = machine.stack
    machine.stack = machine.marked.pop()
    return _filled(machine, items, Items, at)


def _append(machine: _Machine, at: int) -> int:
    return _filled(machine, [machine.stack.pop()], Items, at)


def _filled(machine: _Machine, items: list[object], kind: type[DictParts | Items], at: int) -> int:
    """Put elements, or keys and values by turns, into the object on the stack."""
    into = machine.stack[-1]
    if kind is DictParts and len(items) % 2:
        raise ValueError
    if type(into) is MadeObject:
        into.is_filled = True
    elif type(into) is not kind:
        raise ValueError
    else:
        (into.pairs if isinstance(into, DictParts) else into).extend(items)
    return at + 1


def _new(machine: _Machine, at: int) -> int:
    arguments = machine.stack.pop()
    machine.stack[-1] = _made(machine.stack[-1], arguments)
    return at + 1


def _build(machine: _Machine, at: int) -> int:
    state = machine.stack.pop()
    made = machine.stack[-1]
    if type(made) is not MadeObject:
        raise ValueError
    made.states.append(state)
    if made.begun is not None:
        start, places, kept = made.begun
        made.begun = None
        if kept == machine.plain.count:
            machine.seen.end(made.function, made, start, at + 1, places)
    return at + 1


_STEPS: Mapping[int, _Step] = {
    ord(code): step
    for code, step in {
        b"q": _put(2),
        b"r": _put(5),
        b"c": _global,
        b"N": _constant(None),
        b"\x88": _constant(True),
        b"\x89": _constant(False),
        b"K": _number("<B"),
        b"M": _number("<H"),
        b"J": _number("<i"),
        b"G": _number(">d"),
        b"}": _empty(DictParts),
        b"]": _empty(Items),
        b"(": _mark,
        b"t": _tuple,
        b"\x85": _short_tuple(1),
        b"\x86": _short_tuple(2),
        b"\x87": _short_tuple(3),
        b"u": _set_items,
        b"s": _set_item,
        b"e": _extend,
        b"a": _append,
        b"\x81": _new,
        b"b": _build,
    }.items()
}
