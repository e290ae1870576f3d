"""Tells what stands in many plain objects, level by level, and which of it only its parent refers to."""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import chain, repeat
from operator import is_
from sys import getrefcount
from types import NoneType
from typing import Any, Final, TypeAlias

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.pickles.batch import Memo
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.plain_classes import OWN_WAYS, PlainClasses
from hermpkg_build.pickles.values import AtomKeys

Column: TypeAlias = "Sequence[Any]"
"""Objects that are likely of one kind."""

_LARGEST_CONTAINER: Final = 1000
"""Elements of a container in a batch; the pickler in C writes more of them in several steps."""
_MOST_KEYS: Final = 256
_LEAST_ROWS: Final = 16
"""How many more rows than columns there must be, so that columns are worth what each costs."""
_ATOMS: Final = frozenset({str, int, float, bool, NoneType})
_PLAIN: Final = _ATOMS | {list, dict, tuple}


@dataclass(slots=True, kw_only=True, eq=False)
class Parts:
    """What stands in a batch.

    `texts` has its strings but for those keys of dicts that `PlainParts.keys` has, in no order. Containers
    and instances are in `alone` where nothing but their parent refers to them, else in `shared`, by their
    ids. Tuples whose value counts are in neither: `tuples` has their ids by the keys of their values.
    """

    texts: list[str] = field(default_factory=list)
    tuples: dict[Hashable, int] = field(default_factory=dict)
    alone: list[Sequence[Any]] = field(default_factory=list)
    shared: dict[int, Any] = field(default_factory=dict)
    has_states: bool = False

    def count(self, objs: Sequence[Any], lists: int) -> bool:
        """Tell `objs`, which stand in so many lists of ours, apart; False where one stands there twice."""
        counts = list(map(getrefcount, objs))
        expected = _references_of_one() + lists - 1
        if counts.count(expected) == len(counts):
            self.alone.append(objs)
            return True
        self.alone.append([obj for obj, count in zip(objs, counts, strict=True) if count == expected])
        others = [obj for obj, count in zip(objs, counts, strict=True) if count != expected]
        found = len(self.shared) + len(others)
        self.shared.update(zip(map(id, others), others, strict=True))
        return len(self.shared) == found


class PlainParts:
    """Looks into plain data, and into instances of those plain classes that were written at least twice.

    `classes` has the latter. `keys` has keys of dicts that were written before: most dicts have the keys that
    others have.
    """

    def __init__(self, out: Output, atoms: AtomKeys, plain: PlainClasses) -> None:
        self._out = out
        self._atoms = atoms
        self._plain = plain
        self.classes: Memo = {}
        self.keys: Memo = {}

    def of(self, children: Sequence[Any]) -> Parts | None:
        """What stands in `children`, which others list; None where that is not plain, or there twice."""
        parts = Parts()
        columns = [children]
        while columns:
            column = columns.pop()
            kinds = set(map(type, column))
            if not all(kind in _PLAIN or self._takes(kind) for kind in kinds):
                return None
            if str in kinds:
                parts.texts += _of_kind(str, column, kinds)
            for kind in kinds.difference(_ATOMS):
                found = _of_kind(kind, column, kinds)
                inner = self._inside(kind, found, 1 + (found is not column), parts)
                if inner is None:
                    return None
                columns += inner
        return parts

    def remember_keys(self, known: Memo) -> None:
        """Take `known` as keys that stand in most dicts."""
        if len(self.keys) + len(known) <= _MOST_KEYS:
            self.keys |= {key: entry for key, entry in known.items() if entry[1] not in OWN_WAYS}

    def _inside(self, kind: type, found: Sequence[Any], lists: int, parts: Parts) -> list[Column] | None:
        counted = self._count_tuples(found, lists, parts) if kind is tuple else parts.count(found, lists)
        if not counted:
            return None
        if kind in (list, tuple, dict):
            sized = found
        else:
            sized = list(filter(None, map(vars, found)))
            parts.has_states = parts.has_states or bool(sized)
            # Attributes may be in an instance of a class of their own.
            if not {dict}.issuperset(map(type, sized)) or not parts.count(sized, 1):
                return None
        sizes = set(map(len, sized))
        if not sizes:
            return []
        if max(sizes) > _LARGEST_CONTAINER:
            return None
        if kind in (list, tuple):
            return _columns(sized, len(sized), sizes)
        return [*self._keys(sized, sizes, parts), *_columns(map(dict.values, sized), len(sized), sizes)]

    def _keys(self, dicts: Sequence[dict[Any, Any]], sizes: Collection[int], parts: Parts) -> list[Column]:
        """The keys of `dicts`, but for strings: these are in `parts` then, or all in `keys`."""
        others: list[Column] = []
        for keys in _columns(dicts, len(dicts), sizes):
            if id(keys[0]) in self.keys and all(map(is_, keys, repeat(keys[0]))):
                continue
            if self.keys.keys() >= set(map(id, keys)):
                continue
            if set(map(type, keys)) == {str}:
                parts.texts += keys
            else:
                others.append(keys)
        return others

    def _count_tuples(self, found: Sequence[Any], lists: int, parts: Parts) -> bool:
        """Take tuples up by their values, or where these do not count, as `Parts.count` does."""
        tuples = list(filter(None, found))
        keys = self._atoms.keys(tuples)
        by_value = dict(zip(keys, map(id, tuples), strict=True))
        others = []
        if by_value.pop(None, None) is not None:
            others = [obj for key, obj in zip(keys, tuples, strict=True) if key is None]
        expected = len(parts.tuples) + len(tuples) - len(others)
        parts.tuples |= by_value
        return len(parts.tuples) == expected and parts.count(others, lists + 2)

    def _takes(self, kind: type) -> bool:
        """Whether instances of `kind` are plain."""
        if id(kind) in self.classes:
            return True
        key = self._plain.key_of(kind)
        number = None if key is None else self._out.number_of_value(key)
        if number is None:
            return False
        self.classes[id(kind)] = number, kind
        return True


def _columns(rows: Iterable[Collection[Any]], count: int, sizes: Collection[int]) -> list[Column]:
    """What is in the `count` of `rows`: by its places, where all have as many, and these are few."""
    if len(sizes) == 1 and max(sizes) * _LEAST_ROWS <= count:
        return list(zip(*rows, strict=True))
    return [list(chain.from_iterable(rows))]


def _of_kind(kind: type, objs: Sequence[Any], kinds: Collection[type]) -> Sequence[Any]:
    return objs if kinds == {kind} else [obj for obj in objs if type(obj) is kind]


@functools.cache
def _references_of_one() -> int:
    """What is counted for an object that stands in its parent, and in one list of ours."""
    parent: list[Any] = [[]]
    return max(map(getrefcount, list(parent)))
