"""Modules in a pickle that are written as one before them was: the same bytes, but for some numbers.

A model is a few kinds of layers again and again. Once one of a kind has been read opcode by opcode, the bytes
of others are compared with its own: where only the numbers of storages differ, and numbers that lead to no
tensor, what is made is the same but for these. That holds because such bytes keep nothing under a number, and
because a reference never changes its meaning (`PlainTensors.put`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from hermpkg_build.pickles.reading.flat_tensors import FlatTensor

Place: TypeAlias = tuple[int, FlatTensor | None]
"""Where a number is written, and the tensor whose storage it names; None for one that leads to no tensor."""

_SIZES = {b"K"[0]: 2, b"M"[0]: 3, b"J"[0]: 5, b"G"[0]: 9}
_FLOAT = b"G"[0]
_new = tuple.__new__
"""Makes a named tuple in half the time that its class takes."""

_LONGEST = 64 << 10
_MOST_PATTERNS = 8
_TRIES_AHEAD = 200
_TRIES_FOR_ONE = 4
_TIMES_OVER = 8


class ModuleCopy:
    """A module that is `pattern.sample` with `tensors` in the place of the sample's own."""

    __slots__ = ("pattern", "tensors")

    def __init__(self, pattern: ModulePattern, tensors: list[FlatTensor]) -> None:
        self.pattern: ModulePattern = pattern
        self.tensors: list[FlatTensor] = tensors


class ModulePattern:
    """How a kind of modules is written: `pieces` of bytes with a number between any two of them.

    `sample` is the first one, with `tensors` of its own. A number that was the same in all modules seen is in
    `numbers`, None stands for those that may differ.
    """

    __slots__ = ("_ends", "_rests", "numbers", "pieces", "sample", "tensors")

    def __init__(self, sample: object, data: bytes, start: int, stop: int, places: Iterable[Place]) -> None:
        self.sample: object = sample
        self.tensors: list[FlatTensor] = []
        self.pieces: list[bytes] = []
        self.numbers: list[bytes | FlatTensor | None] = []
        for place, tensor in places:
            self.pieces.append(data[start:place])
            start = place + _SIZES[data[place]]
            self.numbers.append(data[place:start] if tensor is None else tensor)
            if tensor is not None:
                self.tensors.append(tensor)
        self.pieces.append(data[start:stop])
        self._join()

    def widened(self, other: ModulePattern) -> bool:
        """Accept what `other` accepts as well, where only numbers that lead to no tensor differ."""
        if self.pieces != other.pieces:
            return False
        numbers: list[bytes | FlatTensor | None] = []
        for mine, others in zip(self.numbers, other.numbers, strict=True):
            if isinstance(mine, FlatTensor) is not isinstance(others, FlatTensor):
                return False
            numbers.append(mine if mine == others or isinstance(mine, FlatTensor) else None)
        self.numbers = numbers
        self._join()
        return True

    def _join(self) -> None:
        """Join pieces between which the number is always the same."""
        self._ends: list[bytes] = []
        self._rests: list[tuple[object, ...] | None] = []
        whole = self.pieces[0]
        for number, piece in zip(self.numbers, self.pieces[1:], strict=True):
            if isinstance(number, bytes):
                whole += number + piece
            else:
                self._ends.append(whole)
                self._rests.append(None if number is None else number[1:])
                whole = piece
        self._ends.append(whole)

    def read(self, data: bytes, at: int, places: list[Place]) -> tuple[int, ModuleCopy | None]:
        """Give where a module that begins at `at` ends, and the module; or how far it is alike, and None.

        The places of numbers in it are put to `places`.
        """
        tensors: list[FlatTensor] = []
        before = len(places)
        ends = self._ends
        for piece, rest in zip(ends, self._rests, strict=False):
            if not data.startswith(piece, at):
                break
            at += len(piece)
            code = data[at]
            size = _SIZES.get(code)
            if size is None or len(data) < at + size:
                break
            if rest is None:
                places.append((at, None))
            else:
                if code == _FLOAT or (size == 5 and data[at + 4] > 127):
                    break
                key = int.from_bytes(data[at + 1 : at + size], "little")
                tensor = _new(FlatTensor, (str(key), *rest))
                tensors.append(tensor)
                places.append((at, tensor))
            at += size
        else:
            if data.startswith(ends[-1], at):
                return at + len(ends[-1]), ModuleCopy(self, tensors)
        del places[before:]
        return at, None


class SeenModules:
    """The patterns of the modules in a pickle so far. `places` are those of all numbers that were met."""

    def __init__(self, data: bytes) -> None:
        self.places: list[Place] = []
        self._data = data
        self._patterns: dict[object, list[ModulePattern]] = {}
        self._latest: dict[object, tuple[object, int, int, int, int]] = {}
        self._tries = _TRIES_AHEAD
        # What is compared and kept in vain stays in proportion to the pickle, whatever is in it.
        self._bytes = _TIMES_OVER * len(data) + _LONGEST

    def end(self, kind: object, sample: object, start: int, stop: int, first_place: int) -> None:
        """Take in that a module of a `kind` was read, the `sample`, from `start` to `stop`.

        No byte of it keeps a value under a number, and `places` from `first_place` on are its own.
        """
        if stop - start <= _LONGEST:
            self._latest[kind] = (sample, start, stop, first_place, len(self.places))

    def copy(self, kind: object, at: int) -> tuple[int, ModuleCopy] | None:
        """Read a module of a `kind` at `at` that is written as one before; give where it ends, and it."""
        if self._latest and (latest := self._latest.pop(kind, None)) is not None:
            self._keep(kind, *latest)
        patterns = self._patterns.get(kind)
        if not patterns or self._tries < 0 or self._bytes < 0:
            return None
        for index, pattern in enumerate(patterns):
            end, found = pattern.read(self._data, at, self.places)
            if found is not None:
                self._tries += _TRIES_FOR_ONE
                if index:
                    patterns.insert(0, patterns.pop(index))
                return end, found
            self._bytes -= end - at
        self._tries -= 1
        return None

    def _keep(self, kind: object, sample: object, start: int, stop: int, first: int, last: int) -> None:
        """Make a pattern of the latest module of its kind, or let one that is like it accept it as well."""
        self._bytes -= stop - start
        if any(self._data[place] not in _SIZES for place, _ in self.places[first:last]):
            return
        new = ModulePattern(sample, self._data, start, stop, self.places[first:last])
        patterns = self._patterns.setdefault(kind, [])
        if not any(pattern.widened(new) for pattern in patterns):
            patterns.insert(0, new)
            del patterns[_MOST_PATTERNS:]
