"""The plain tensors in the state of a torch module, found without making a graph of its pickle.

A module's pickle is mostly tables that lead to no tensor, and tensors that are the same twenty opcodes again
and again. So objects are no more here than what they hold, each tensor is one match of a pattern, and at the
first opcode or object that could mean anything else all is left to `tensor_entries`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.pickles.reading.flat_tensors import PLAIN_TENSOR, FlatTensor, PlainTensors

_ORDERED = ("collections", "OrderedDict")
_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = ("torch._utils", "_rebuild_parameter")
_OTHER_MAKERS = frozenset({"torch._utils", "torch._tensor", "torch.fx.graph_module"})
_SETS = frozenset((module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset"))
"""Protocol 2, in which torch.save writes, has the names of Python 2."""

_CHOOSER = ("operator", "itemgetter")

_MOST_NAMES = 1 << 20
_MOST_LETTERS = 64 << 20
_MOST_VISITS = 1 << 17
_LONGEST_PREFIX = 64 << 10


class _Dict:
    """A dict, or an OrderedDict that was made empty: keys and values by turns, as they were put into it."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[object] = []


class _Made:
    """What a call gives, with the states that were set on it, and whether anything was put into it."""

    __slots__ = ("arguments", "function", "is_filled", "states")

    def __init__(self, function: tuple[str, str], arguments: object) -> None:
        self.function = function
        self.arguments = arguments
        self.states: list[object] = []
        self.is_filled = False


class _Items(list[object]):
    """The elements of a list or a set. Those of a tuple are in a list of Python, and globals are tuples."""

    __slots__ = ()


_Attributes: TypeAlias = dict[str, object]


def module_tensors(data: bytes) -> dict[str, FlatTensor] | None:
    """Return the tensors of the `state_dict` of a module by name; None where `data` is not of that form.

    They are those that `tensor_entries` has for it `in_state`, in the same order.
    """
    if data[:2] not in (b"\x80\x02", b"\x80\x03"):
        return None
    with paused_collection:
        try:
            return _state(_Machine(data).run(2))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, struct.error):
            # `tensor_entries` says what is wrong, if anything is.
            return None


class _Machine:
    """An unpickler of few opcodes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.plain = PlainTensors()
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []

    def run(self, at: int) -> object:
        """Return the object of the pickle. Raises ValueError, or what comes of what makes no sense."""
        data, known, steps = self.data, self.plain.known, _STEPS
        stack = self.stack
        while True:
            code = data[at]
            if code in _GETS:
                end = at + (2 if code == _BINGET else 5)
                value = known[data[at:end]]
                if type(value) is not tuple:
                    stack.append(value)
                elif value == _REBUILD:
                    end = self.tensor(at)
                elif value == _ORDERED and data[end : end + 2] == _CALLED_EMPTY:
                    stack.append(_Dict())
                    end += 2
                else:
                    stack.append(value)
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
        self.stack.append(self.plain.tensor(match))
        return match.end()


_Step: TypeAlias = Callable[[_Machine, int], int]
_NOTHING: list[object] = []
_GETS = b"hj"
_CALLED_EMPTY = b")R"
_BINGET, _REDUCE, _EMPTY_TUPLE, _STOP = b"hR)."


def _made(function: object, arguments: object) -> object:
    """Return what a call gives; raise ValueError for one that could make a tensor, or choose one."""
    if function == _ORDERED and not arguments and type(arguments) is list:
        return _Dict()
    if type(function) is not tuple or type(arguments) is not list or function == _CHOOSER:
        raise ValueError
    if function[0] in _OTHER_MAKERS and function != _PARAMETER:
        raise ValueError
    return _Made(function, arguments)


def _text(machine: _Machine, at: int) -> int:
    end = at + 5 + int.from_bytes(machine.data[at + 1 : at + 5], "little")
    raw = machine.data[at + 5 : end]
    if end > len(machine.data):
        raise ValueError
    machine.stack.append(raw.decode("utf-8", "surrogatepass"))
    return end


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
        return at + size

    return step


def _empty(kind: type[_Dict | _Items]) -> _Step:
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
    return _filled(machine, items, _Dict, at)


def _set_item(machine: _Machine, at: int) -> int:
    value, key = machine.stack.pop(), machine.stack.pop()
    return _filled(machine, [key, value], _Dict, at)


def _extend(machine: _Machine, at: int) -> int:
    items = machine.stack
    machine.stack = machine.marked.pop()
    return _filled(machine, items, _Items, at)


def _append(machine: _Machine, at: int) -> int:
    return _filled(machine, [machine.stack.pop()], _Items, at)


def _filled(machine: _Machine, items: list[object], kind: type[_Dict | _Items], at: int) -> int:
    """Put elements, or keys and values by turns, into the object on the stack."""
    into = machine.stack[-1]
    if kind is _Dict and len(items) % 2:
        raise ValueError
    if type(into) is _Made:
        into.is_filled = True
    elif type(into) is not kind:
        raise ValueError
    else:
        (into.pairs if isinstance(into, _Dict) else into).extend(items)
    return at + 1


def _new(machine: _Machine, at: int) -> int:
    arguments = machine.stack.pop()
    machine.stack[-1] = _made(machine.stack[-1], arguments)
    return at + 1


def _build(machine: _Machine, at: int) -> int:
    state = machine.stack.pop()
    made = machine.stack[-1]
    if type(made) is not _Made:
        raise ValueError
    made.states.append(state)
    return at + 1


_STEPS: Mapping[int, _Step] = {
    ord(code): step
    for code, step in {
        b"X": _text,
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
        b"}": _empty(_Dict),
        b"]": _empty(_Items),
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


_Named: TypeAlias = list[tuple[str, object]]


def _state(root: object) -> dict[str, FlatTensor]:
    """Return the tensors of a module's `state_dict`. Raises ValueError where any is no plain one."""
    found: dict[str, FlatTensor] = {}
    letters = visits = 0
    stack = [("", root)]
    contents: dict[int, tuple[list[tuple[str, FlatTensor]], _Named]] = {}
    while stack:
        prefix, module = stack.pop()
        visits += 1
        content = contents.get(id(module))
        if content is None:
            content = contents[id(module)] = _contents(module)
        tensors, modules = content
        for name, tensor in tensors:
            name = prefix + name
            letters += len(name)
            if name in found:
                raise ValueError
            found[name] = tensor
        stack += [(f"{prefix}{name}.", each) for name, each in reversed(modules)]
        if len(prefix) > _LONGEST_PREFIX or max(visits, len(stack)) > _MOST_VISITS:
            raise ValueError
        if len(found) > _MOST_NAMES or letters > _MOST_LETTERS:
            raise ValueError
    return found


def _contents(module: object) -> tuple[list[tuple[str, FlatTensor]], _Named]:
    """Return the tensors that a module itself has of a state dict, and the modules in it."""
    attributes = _attributes_of(module)
    tensors = [(name, _tensor_of(value)) for name, value in _tensors_of(attributes)]
    modules = _named(attributes["_modules"]).items()
    return tensors, [(name, each) for name, each in modules if not _is_atom(each)]


def _attributes_of(module: object) -> _Attributes:
    """Return the attributes that a module's pickle sets. Raises ValueError where it is no module."""
    if type(module) is not _Made:
        raise ValueError
    attributes: _Attributes = {}
    for state in module.states:
        for part in (state, *(state if type(state) is list else ())):
            if type(part) is _Dict:
                attributes.update(_named(part))
    if type(attributes["_parameters"]) is not _Dict or type(attributes["_modules"]) is not _Dict:
        raise ValueError
    return attributes


def _tensors_of(attributes: _Attributes) -> Iterator[tuple[str, object]]:
    """Give the values in a module's own tables, by name, that its `state_dict` has."""
    for name, value in _named(attributes["_parameters"]).items():
        if not _is_atom(value):
            yield name, value
    buffers = attributes.get("_buffers")
    if buffers is None:
        return
    hidden = _texts(attributes.get("_non_persistent_buffers_set"))
    for name, value in _named(buffers).items():
        if name not in hidden and not _is_atom(value):
            yield name, value


def _named(table: object) -> _Attributes:
    """Return the items of a dict whose keys are texts; of several with one key the last, as a dict has it."""
    if type(table) is not _Dict:
        raise ValueError
    pairs = table.pairs
    return {key: value for key, value in zip(pairs[::2], pairs[1::2], strict=True) if type(key) is str}


def _texts(names: object) -> set[str]:
    """Return the texts in a set that a call makes of a list."""
    if names is None:
        return set()
    if type(names) is not _Made or names.function not in _SETS or names.is_filled or names.states:
        raise ValueError
    found: set[str] = set()
    for listed in names.arguments if isinstance(names.arguments, list) else ():
        if type(listed) is not _Items:
            raise ValueError
        found.update(item for item in listed if type(item) is str)
    return found


def _tensor_of(value: object) -> FlatTensor:
    if type(value) is _Made and value.function == _PARAMETER and not (value.states or value.is_filled):
        value = value.arguments[0] if isinstance(value.arguments, list) else None
    if type(value) is not FlatTensor:
        raise ValueError
    return value


def _is_atom(value: object) -> bool:
    return value is None or type(value) in _ATOMS


_ATOMS = frozenset({str, int, float, bool})
