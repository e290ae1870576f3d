"""The plain tensors of a flat state dict, found in one sweep over its pickle: each is one match of a pattern.

A large state dict is the same forty opcodes again and again. What is not of just that form is left to
`tensor_entries`, which gives the same of every pickle that is read here, and takes ten times as long.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.pickles.reading.nodes import Node, NodeKind, read_rest
from hermpkg_build.pickles.reading.paths import is_global
from hermpkg_build.pickles.reading.tensors import STORAGE_DTYPES


class FlatTensor(NamedTuple):
    """A view of a storage of `elements` elements, whose record is the one that `key` names."""

    key: str
    dtype: str
    elements: int
    device: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


_REFERENCE = rb"h.|j...."
_PUT = rb"(q.|r....)?"
_GLOBAL = rb"c[\w.]+\n\w+\n"
_INTEGER = rb"K.|M..|J...."
_TEXT = rb"X[\x00-\x7f]\x00\x00\x00[\w:]+?"
_NUMBERS = rb"\)|(?:%(i)s)\x85|(?:%(i)s){2}\x86|(?:%(i)s){3}\x87|\((?:%(i)s){4,8}t|%(r)s" % {
    b"i": _INTEGER,
    b"r": _REFERENCE,
}


def _one(*forms: bytes) -> bytes:
    return b"(" + b"|".join(forms) + b")" + _PUT


_STORAGE = (
    rb"\("
    + _one(_REFERENCE, rb"X\x07\x00\x00\x00storage")
    + _one(_REFERENCE, _GLOBAL)
    + _one(_REFERENCE, _INTEGER, _TEXT)
    + _one(_REFERENCE, _TEXT)
    + rb"("
    + _INTEGER
    + rb")t"
    + _PUT
    + rb"Q"
)
_TENSOR = (
    _one(_REFERENCE, _GLOBAL)
    + rb"\("
    + _STORAGE
    + rb"("
    + _INTEGER
    + rb")"
    + _one(_NUMBERS)
    + _one(_NUMBERS)
    + rb"[\x88\x89]"
    + _one(_REFERENCE, _GLOBAL)
    + rb"\)R"
    + _PUT
    + rb"t"
    + _PUT
    + rb"R"
    + _PUT
)
PLAIN_TENSOR = re.compile(_TENSOR, re.DOTALL)
"""A tensor as torch pickles it, from the function that makes it on. `PlainTensors.tensor` reads a match."""
KEY = 7
"""The group of the match that has the key of the storage."""

_VALUE = re.compile(_TENSOR + rb"(?=[Xu])", re.DOTALL)
_BEGIN = re.compile(
    rb"\x80[\x02\x03](?:\}|ccollections\nOrderedDict\n" + _PUT + rb"\)R)" + _PUT + rb"\(", re.DOTALL
)
_MORE = re.compile(rb"u\((?=X)")
_AGAIN = re.compile(_one(_REFERENCE) + rb"(?=[Xu])", re.DOTALL)
_NUMBER = re.compile(_INTEGER, re.DOTALL)

_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_HOOKS = ("collections", "OrderedDict")
_BINUNICODE, _BINPUT, _LONG_BINPUT, _SETITEMS, _STOP = b"Xqru."
_GETS = b"hj"
_NUMBERED = b"KMJ"
_MOST = 1 << 20
_LONGEST_NAME = 64 << 10


def flat_tensors(data: bytes) -> dict[str, FlatTensor] | None:
    """Return the tensors of a dict of plain tensors by name; None where `data` is no such pickle."""
    begin = _BEGIN.match(data)
    if begin is None:
        return None
    with paused_collection:
        try:
            return _Sweep(data).run(begin)
        except (KeyError, TypeError, ValueError, IndexError):
            # `tensor_entries` says what is wrong, if anything is.
            return None


class PlainTensors:
    """Reads plain tensors where a pattern has found them.

    `known` are the values that references lead to, by the bytes of these: texts, globals, plain tensors, the
    numbers in tuples as lists, and what others keep there. A reference never changes its meaning: see `put`.
    """

    def __init__(self) -> None:
        self.known: dict[bytes, object] = {}
        self._taken: set[int] = set()
        self._common: dict[tuple[bytes, ...], tuple[str, str]] = {}
        # Tuples of numbers, by the bytes that write them or refer to them.
        self._numbers: dict[bytes, tuple[int, ...]] = {}

    @property
    def count(self) -> int:
        """How many values were put under numbers."""
        return len(self._taken)

    def tensor(self, match: re.Match[bytes]) -> FlatTensor:
        """Return the tensor of a match. Raises KeyError for a reference to what is not known, ValueError."""
        # fmt: off
        (
            maker, maker_put, word, word_put, kind, kind_put, key, key_put, device, device_put, count, id_put,
            offset, shape, shape_put, stride, stride_put, hooks, hooks_put, made_put, all_put, tensor_put,
        ) = match.groups()
        # fmt: on
        common = (maker, word, kind, device, hooks)
        known = self._common.get(common)
        if known is None:
            rebuild = self.value(maker, maker_put)
            storage = self.value(word, word_put)
            dtype = self.value(kind, kind_put)
        name = self._key(key, key_put)
        if known is None:
            place = self.value(device, device_put)
        if id_put:
            self.put(id_put, None)
        numbers = self._numbers
        sizes = numbers[shape] if shape in numbers and not shape_put else self._new_numbers(shape, shape_put)
        steps = (
            numbers[stride] if stride in numbers and not stride_put else self._new_numbers(stride, stride_put)
        )
        if known is None:
            given = (rebuild, storage, self.value(hooks, hooks_put))
            known = _checked(given, dtype, place)
            if not any((maker_put, word_put, kind_put, device_put, hooks_put)):
                self._common[common] = known
        if made_put:
            self.put(made_put, None)
        if all_put:
            self.put(all_put, None)
        if len(sizes) != len(steps):
            raise ValueError
        tensor = FlatTensor(
            name,
            known[0],
            count[1] if len(count) == 2 else _integer(count),
            known[1],
            offset[1] if len(offset) == 2 else _integer(offset),
            sizes,
            steps,
        )
        if tensor_put:
            self.put(tensor_put, tensor)
        return tensor

    def _key(self, raw: bytes, put: bytes | None) -> str:
        """Return the key of a storage, a number or a text."""
        if raw[0] in _NUMBERED:
            if put:
                self.put(put, None)
            return str(_integer(raw))
        key = self.value(raw, put)
        if not isinstance(key, str):
            raise TypeError
        return key

    def value(self, raw: bytes, put: bytes | None) -> object:
        """Return what a reference leads to, or what a text or a global is, which is known from then on."""
        first = raw[0]
        if first in _GETS:
            if put:
                raise ValueError
            return self.known[raw]
        value: object
        if first == _BINUNICODE:
            value = _text(raw)
        else:
            module, name, _ = raw[1:].decode().split("\n")
            value = (module, name)
        if put:
            self.put(put, value)
        return value

    def _new_numbers(self, raw: bytes, put: bytes | None) -> tuple[int, ...]:
        """Return the numbers of a tuple, which are known from then on. Raises ValueError for other things."""
        numbers = self._numbers.get(raw)
        if numbers is None:
            numbers = _numbers_of(self.known[raw]) if raw[0] in _GETS else _numbers_in(raw)
            self._numbers[raw] = numbers
        if put:
            if raw[0] in _GETS:
                raise ValueError
            self.put(put, list(numbers))
            self._numbers.update(dict.fromkeys(_references(put), numbers))
        return numbers

    def put(self, raw: bytes, value: object) -> None:
        """Keep a value under a number, which must be a new one: then no reference changes its meaning."""
        number = int.from_bytes(raw[1:], "little")
        if number in self._taken:
            raise ValueError
        self._taken.add(number)
        if value is not None:
            self.known.update(dict.fromkeys(_references(raw), value))


class _Sweep:
    """Goes through the items of the dict."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._plain = PlainTensors()

    def run(self, begin: re.Match[bytes]) -> dict[str, FlatTensor] | None:
        """Read the whole pickle; see `flat_tensors`."""
        data, found = self._data, {}
        for put, value in ((begin[1], _HOOKS), (begin[2], None)):
            if put:
                self._plain.put(put, value)
        at = begin.end()
        while data[at] == _BINUNICODE:
            length = int.from_bytes(data[at + 1 : at + 5], "little")
            end = at + 5 + length
            if not 0 < length <= _LONGEST_NAME:
                return None
            name = data[at + 5 : end].decode("utf-8", "surrogatepass")
            put = data[end]
            if put in (_BINPUT, _LONG_BINPUT):
                size = 2 if put == _BINPUT else 5
                self._plain.put(data[end : end + size], None)
                end += size
            match = _VALUE.match(data, end)
            if match is not None:
                found[name] = self._plain.tensor(match)
            else:
                match = _AGAIN.match(data, end)
                again = self._plain.known.get(match[1]) if match is not None else None
                if match is None or match[2] or not isinstance(again, FlatTensor):
                    return None
                found[name] = again
            at = match.end()
            if data[at] == _SETITEMS:
                more = _MORE.match(data, at)
                if more is None:
                    break
                at = more.end()
        if data[at] != _SETITEMS or len(found) > _MOST or not self._ends_well(at + 1):
            return None
        return found

    def _ends_well(self, start: int) -> bool:
        """Tell whether nothing follows the items but the attributes of the dict, without tensors."""
        if self._data[start] == _STOP:
            return True
        root = Node(kind=NodeKind.CALL, opcode="REDUCE", offset=0)
        if read_rest(self._data, start, root, self._memo()) is not root:
            return False
        return not (root.items or root.pairs) and all(map(_is_harmless, _below(root)))

    def _memo(self) -> dict[int, Node]:
        """Return the texts and globals that references lead to."""
        memo: dict[int, Node] = {}
        for raw, value in self._plain.known.items():
            number = int.from_bytes(raw[1:], "little")
            if isinstance(value, str):
                memo[number] = Node(kind=NodeKind.ATOM, opcode="BINUNICODE", offset=0, value=value)
            elif isinstance(value, tuple) and value and isinstance(value[0], str) and len(value) == 2:
                memo[number] = Node(kind=NodeKind.GLOBAL, opcode="GLOBAL", offset=0, value=value)
        return memo


def _below(root: Node) -> Iterator[Node]:
    met = {id(root)}
    left = deque(root.states)
    while left:
        node = left.pop()
        if id(node) not in met:
            met.add(id(node))
            left.extend(chain(node.parts, node.items, node.states, chain.from_iterable(node.pairs)))
            yield node


def _is_harmless(node: Node) -> bool:
    """Tell whether an object is neither a tensor nor made in a way that could make one."""
    if node.kind is NodeKind.CALL:
        return is_global(node.parts[0], "collections", frozenset({"OrderedDict"}))
    return node.kind is not NodeKind.PERSISTENT


def _references(put: bytes) -> list[bytes]:
    """Return the opcodes that refer to what `put` keeps."""
    number = int.from_bytes(put[1:], "little")
    long = b"j" + number.to_bytes(4, "little")
    return [long, b"h" + bytes([number])] if number < 256 else [long]


def _checked(given: tuple[object, ...], dtype: object, place: object) -> tuple[str, str]:
    """Return the type and the device of a tensor that torch puts together as usual. Raises ValueError."""
    if given != (_REBUILD, "storage", _HOOKS) or not isinstance(place, str):
        raise ValueError
    if not isinstance(dtype, tuple) or dtype[0] != "torch":
        raise ValueError
    return STORAGE_DTYPES[dtype[1]], place


def _numbers_in(raw: bytes) -> tuple[int, ...]:
    return tuple([_integer(each) for each in _NUMBER.findall(raw.removeprefix(b"("))])


def _numbers_of(known: object) -> tuple[int, ...]:
    """Return the numbers of a tuple that is kept as a list. Raises ValueError for anything else."""
    if type(known) is not list or not all(type(each) is int and each >= 0 for each in known):
        raise ValueError
    return tuple(known)


def _integer(raw: bytes) -> int:
    if len(raw) == 2:
        return raw[1]
    number = int.from_bytes(raw[1:], "little", signed=len(raw) == 5)
    if number < 0:
        raise ValueError
    return number


def _text(raw: bytes) -> str:
    if raw[1] != len(raw) - 5:
        raise ValueError
    return raw[5:].decode()
