"""Graphs of plain objects, with others among them, of any bytes; and the ways to write these as pickles."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hermpkg_build.extension import Choice, choose
from hermpkg_build.pickles import canonical, graph_writer

_NUMBERS = [1 << 8, 1 << 16, 1 << 31, 1 << 63, 1 << 64, 10**40]
_ATOMS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -0.0,
    0.0,
    float("nan"),
    (),
    ...,
    1j,
    frozenset({1, "a"}),
    b"a",
]
_ATOMS += [sign * number + more for number in _NUMBERS for sign in (1, -1) for more in (-1, 0)]
_NAMES = ["a", "name", "__reduce__", "_x", "é", "\ud800", "x" * 300, "y" * 70_000]


class Thing:
    """An ordinary object."""


class Asked:
    """It gives its state itself."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __getstate__(self) -> Any:
        return {"part": self.part, "made": [self.part]}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.made: list[Any] = []

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at].ljust(count, b"\0")

    def words(self) -> Iterator[int]:
        while self._at < len(self._data):
            yield self.take(1)[0]

    def pick(self) -> Any:
        """An object that was made, or an atom; strings are no two the same object."""
        (word,) = self.take(1)
        if word < 140 and self.made:
            return self.made[-1 - word % len(self.made)]
        atoms = [*_ATOMS, *_NAMES]
        atom = atoms[word % len(atoms)]
        return "".join(list(atom)) if type(atom) is str else atom

    def several(self, count: int) -> list[Any]:
        return [self.pick() for _ in range(count)]

    def keys(self, count: int) -> list[Any]:
        return [key for key in self.several(count) if _is_hashable(key)]


def graph_of(data: bytes) -> list[Any]:
    """A list of what `data` says is to be made, the last first."""
    reader = _Reader(data)
    for word in reader.words():
        made = _MAKERS[word % len(_MAKERS)](reader, word // len(_MAKERS))
        if made is not None:
            reader.made.append(made)
    return reader.made[::-1]


def _thing(reader: _Reader, count: int) -> Thing:
    made = Thing()
    for part in reader.several(count % 8):
        vars(made)[_NAMES[reader.take(1)[0] % len(_NAMES)]] = part
    return made


def _nested_tuple(reader: _Reader, count: int) -> Any:
    made = reader.pick()
    for _ in range(count * 3):
        made = (made, count) if reader.take(1)[0] % 3 else (made, made)
    return made


def _put_in(reader: _Reader, count: int) -> None:
    """Have one that was made refer to another, so that there are cycles."""
    changeable = [obj for obj in reader.made if type(obj) in (list, dict, Thing)]
    whole = changeable[-1 - reader.take(1)[0] % len(changeable)] if changeable else None
    if type(whole) is list:
        whole.append(reader.pick())
    elif type(whole) is dict:
        whole[count] = reader.pick()
    elif type(whole) is Thing:
        vars(whole)["part"] = reader.pick()


def _tuple_in_itself(reader: _Reader, count: int) -> Any:
    within = reader.several(count % 3)
    made = (*reader.several(count % 6), within)
    within.append(made)
    return made


def _many(reader: _Reader, count: int) -> Any:
    """As many as a batch needs: alike, and the same."""
    parts = reader.several(3)
    more = [[number, f"{number}"] for number in range(count * 20)]
    return [*more, *more[::-1], *(parts * count)] if count % 2 else dict(enumerate(parts * count * 7))


_MAKERS: list[Callable[[_Reader, int], Any]] = [
    lambda reader, count: int.from_bytes(reader.take(count), "little", signed=True),
    lambda reader, count: reader.take(2 * count).decode("utf-16-le", "surrogatepass"),
    lambda reader, count: reader.take(count) * (1 if count < 12 else 5_000),
    lambda reader, _: struct.unpack(">d", reader.take(8))[0],
    lambda reader, count: reader.several(count),
    lambda reader, count: tuple(reader.several(count)),
    lambda reader, count: dict.fromkeys(reader.keys(count), reader.pick()),
    _thing,
    lambda reader, count: set(map(str, range(count))) if count % 2 else frozenset(range(count)),
    _many,
    lambda reader, count: (*reader.several(2), *range(990 + count)),
    _nested_tuple,
    _put_in,
    _tuple_in_itself,
    lambda reader, _: next((vars(obj) for obj in reader.several(3) if type(obj) is Thing), None),
    lambda reader, _: Asked(reader.pick()),
    lambda reader, count: [Thing, Asked, len, OrderedDict(a=reader.pick())][count % 4],
]


def _is_hashable(obj: Any) -> bool:
    """Whether it can be a key; tuples that double from level to level would take forever."""
    if type(obj) is tuple and any(type(part) is tuple for part in obj):
        return False
    try:
        hash(obj)
    except TypeError:
        return False
    return True


@contextmanager
def in_python(*, smallest: int = graph_writer.SMALLEST) -> Iterator[None]:
    """Have no pickle written by the extension, and batches be made of as many objects."""
    before = canonical.choose, graph_writer.SMALLEST
    canonical.choose, graph_writer.SMALLEST = lambda: Choice(None, "in Python"), smallest
    try:
        yield
    finally:
        canonical.choose, graph_writer.SMALLEST = before


def outcome(obj: Any, protocol: int) -> Any:
    """The pickle, or what is wrong."""
    try:
        return canonical.pickle_canonically(obj, protocol=protocol)
    except Exception as error:
        return repr(error)


def outcomes(obj: Any, protocol: int) -> list[Any]:
    """What is written object by object, in batches, and by the extension where it is installed."""
    with in_python(smallest=1 << 60):
        found = [outcome(obj, protocol)]
    with in_python():
        found.append(outcome(obj, protocol))
    return [*found, outcome(obj, protocol)] if choose().extension else found
