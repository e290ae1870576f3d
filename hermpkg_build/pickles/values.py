"""Values whose identity does not matter: when two of them are one, and their order.

Numbers, strings, bytes, and the tuples and frozensets made only of them are *atoms*. Whether two
equal atoms are one object depends on interning, constant folding and caches, so a canonical
pickle tells them apart by value and exact type alone: 1, True and 1.0 are three atoms, 0.0 and
-0.0 are two, and a NaN is the one with its bits.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Collection, Hashable, Iterable
from itertools import chain, repeat
from types import EllipsisType, NoneType
from typing import Any, Final, TypeAlias

Compound: TypeAlias = "tuple[Any, ...] | frozenset[Any]"

SIMPLE: Final = frozenset({NoneType, EllipsisType, bool, int, float, complex, str, bytes})
"""Exact types of the atoms that contain nothing."""
_COMPOUND: Final = frozenset({tuple, frozenset})
_ATOMS: Final = SIMPLE | _COMPOUND

# Version 2 of the marshal format has neither back references nor marks for interned strings, so
# its bytes are a function of types and values. They are compared, and never leave the process.
_VERSION: Final = 2


class AtomKeys:
    """Gives every tuple and frozenset made of atoms a key: equal keys, equal atoms.

    A tuple inside a tuple takes part in the key by a number of its own, so that keys stay small
    and the time is linear in what there is to read however deep it is nested and shared.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        # The object stands beside its key so that no other object can get its id meanwhile.
        self._keys: dict[int, tuple[Compound, Hashable | None]] = {}

    def key(self, obj: Compound) -> Hashable | None:
        """The key of `obj`, or None where it contains anything but atoms."""
        kinds = set(map(type, obj))
        if kinds <= SIMPLE:
            return _flat_key(obj)
        if not kinds <= _ATOMS:
            return None
        return self._nested_key(obj)

    def keys(self, tuples: Collection[tuple[Any, ...]]) -> list[Hashable | None]:
        """The key of each, or None."""
        if SIMPLE.issuperset(map(type, chain.from_iterable(tuples))):
            return list(map(marshal.dumps, tuples, repeat(_VERSION)))
        return list(map(self.key, tuples))

    def _nested_key(self, root: Compound) -> Hashable | None:
        keys = self._keys
        pending = [root]
        while pending:
            obj = pending[-1]
            if id(obj) in keys:
                pending.pop()
            elif not set(map(type, obj)) <= _ATOMS:
                keys[id(obj)] = (obj, None)
            elif inner := [part for part in obj if type(part) in _COMPOUND and id(part) not in keys]:
                pending += inner
            else:
                keys[id(obj)] = (obj, self._key_from_parts(obj))
        return keys[id(root)][1]

    def _key_from_parts(self, obj: Compound) -> Hashable | None:
        parts: list[Hashable] = []
        for part in obj:
            if type(part) not in _COMPOUND:
                parts.append(marshal.dumps(part, _VERSION))
                continue
            key = self._keys[id(part)][1]
            if key is None:
                return None
            parts.append(self._numbers.setdefault(key, len(self._numbers)))
        if all(type(part) in SIMPLE for part in obj):
            return _flat_key(obj)
        return tuple(parts) if type(obj) is tuple else frozenset(parts)


def _flat_key(obj: Compound) -> Hashable:
    if type(obj) is tuple:
        return marshal.dumps(obj, _VERSION)
    return frozenset([marshal.dumps(part, _VERSION) for part in obj])


def sort_atoms(atoms: Collection[Any]) -> list[Any]:
    """`atoms` in their total order: by type, then strings by code points, numbers by value.

    Floats go by the total order of IEEE 754; tuples by their elements, first to last; frozensets
    by their sorted elements.
    """
    kinds = set(map(type, atoms))
    if kinds == {str} or kinds == {int} or kinds == {bytes}:
        return sorted(atoms)
    return sorted(atoms, key=_rank)


def _rank(atom: Any) -> tuple[Any, ...]:
    """A tuple that starts with the type's name and compares as the atom is to be ordered."""
    kind = type(atom)
    if kind is tuple:
        return ("tuple", *map(_rank, atom))
    if kind is frozenset:
        return ("frozenset", *sorted(map(_rank, atom)))
    if kind is float:
        return "float", _float_rank(atom)
    if kind is complex:
        return "complex", _float_rank(atom.real), _float_rank(atom.imag)
    if kind in (str, bytes, int, bool):
        return kind.__name__, atom
    return (kind.__name__,)


def _float_rank(value: float) -> int:
    """The IEEE 754 total order as an integer."""
    bits: int
    (bits,) = struct.unpack(">q", struct.pack(">d", value))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF) - 1


def split_atoms(elements: Iterable[Any], keys: AtomKeys) -> tuple[list[Any], list[Any]]:
    """The elements that are atoms, and the others."""
    atoms: list[Any] = []
    others: list[Any] = []
    for element in elements:
        kind = type(element)
        is_atom = kind in SIMPLE or (kind in _COMPOUND and keys.key(element) is not None)
        (atoms if is_atom else others).append(element)
    return atoms, others
