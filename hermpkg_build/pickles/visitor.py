"""Visits plain objects as the pickler of the standard library does, and tells which there are."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.global_names import GlobalWriter
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.plain_classes import is_plain_class
from hermpkg_build.pickles.settings import Settings

Memo: TypeAlias = "dict[int, tuple[int, Any]]"
"""What a pickler has written, by identity, with its number."""

_MOST_NEW_CLASSES: Final = 8


class _NotPlainError(Exception):
    """A walk came to an object that is not plain."""


class _NewClassError(Exception):
    """A walk came to the first instance of a plain class."""


class Visitor(pickle.Pickler):
    """Walks over plain data, and over instances of plain classes that `names` wrote at least twice.

    `classes` has these; `plain_kinds` are the same, and `kinds` all types of instances and of classes.
    `size` is what the last walk took as a pickle, in bytes.
    """

    def __init__(self, settings: Settings, names: GlobalWriter) -> None:
        self._stream = io.BytesIO()
        super().__init__(self._stream, settings.protocol)
        self._settings = settings
        self._names = names
        self._judged: dict[int, tuple[type, bool]] = {}
        self._reductions = getattr(settings.persistent_id, "__self__", None)
        self._asks = not isinstance(self._reductions, PackageReductions)
        self.size: int = 0
        self.classes: Memo = {}
        self.plain_kinds: set[type] = set()
        self.kinds: set[type] = set()

    def visited(self, children: list[Any]) -> list[Any]:
        """All objects in `children`, each with its parts behind it; too few where the walk fails."""
        for _ in range(_MOST_NEW_CLASSES):
            tokens: list[Any] = []
            self.persistent_id: Callable[[Any], Any] = tokens.append
            try:
                self._walk(children)
            except _NewClassError:
                continue
            except Exception:  # noqa: BLE001 -- the other way to write comes to the same, and tells
                break
            return tokens[1:]
        return []

    def _walk(self, children: list[Any]) -> None:
        self.memo = self.classes
        try:
            self.dump(children)
        finally:
            self.clear_memo()
            self.size = self._stream.tell()
            self._stream.seek(0)
            self._stream.truncate()

    def reducer_override(self, obj: Any) -> Any:
        """Leave it to the object, where that is plain; raise otherwise."""
        kind = type(obj)
        settings = self._settings
        if id(kind) not in self.classes:
            self._add(kind)
            raise _NewClassError
        if self._asks and settings.persistent_id is not None and settings.persistent_id(obj) is not None:
            raise _NotPlainError
        if settings.reduce_override is not None and settings.reduce_override(obj) is not NotImplemented:
            raise _NotPlainError
        return NotImplemented

    def _add(self, kind: type) -> None:
        """Take a class up. Raises _NotPlainError."""
        if id(kind) not in self._judged:
            self._judged[id(kind)] = kind, is_plain_class(kind)
        opcode = self._names.fetched_by(kind) if self._judged[id(kind)][1] else None
        if opcode is None:
            raise _NotPlainError
        if isinstance(self._reductions, PackageReductions) and self._reductions.concern(kind):
            raise _NotPlainError
        self.classes[id(kind)] = op.number_of(opcode), kind
        self.plain_kinds.add(kind)
        self.kinds |= {kind, type(kind)}
