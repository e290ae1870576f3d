"""Tells classes whose instances pickle as their attributes and nothing else, by the code of `object`."""

from __future__ import annotations

import copyreg
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from hermpkg_build.pickles.global_names import GlobalWriter
from hermpkg_build.pickles.output import Pieces
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.reducing import has_reducer_of_its_own
from hermpkg_build.pickles.settings import Settings

OWN_WAYS: Final = frozenset(
    {"__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"}
)
"""Methods that change how an object is pickled, of a class or of an instance."""
_OTHER_WAYS: Final = frozenset({"__class__", "__getattr__", "__getattribute__"})
_OBJECT: Final[Any] = object


class PlainClasses:
    """Judges the classes of objects in a walk, each once, whose names `names` writes to `out`."""

    def __init__(self, settings: Settings, out: Pieces, names: GlobalWriter) -> None:
        self._out = out
        self._names = names
        self._judged: dict[int, tuple[type, bool]] = {}
        reductions = getattr(settings.persistent_id, "__self__", None)
        self._reductions = reductions if isinstance(reductions, PackageReductions) else None
        # Whoever is asked for each instance is asked as they are written one by one.
        self._asks = settings.reduce_override is not None or (
            settings.persistent_id is not None and self._reductions is None
        )

    def key_of(self, kind: type) -> tuple[str, str] | None:
        """The key of the name of `kind`, where that was written and its instances are plain; else None."""
        if self._asks:
            return None
        if id(kind) not in self._judged:
            self._out.settle()
            concerned = self._reductions is not None and self._reductions.concern(kind)
            self._judged[id(kind)] = kind, not concerned and is_plain_class(kind)
        return self._names.key_of(kind) if self._judged[id(kind)][1] else None


def is_plain_class(kind: Any) -> bool:
    """Whether instances without attributes of `OWN_WAYS` reduce to the class and their ``__dict__``.

    False also where more than a look at the class would tell.
    """
    metaclass: Any = type(kind)
    if metaclass.__hash__ is not type.__hash__ or metaclass.__eq__ is not type.__eq__:
        return False
    if kind.__new__ is not _OBJECT.__new__ or kind in copyreg.dispatch_table or has_reducer_of_its_own(kind):
        return False
    bases = kind.__mro__[:-1]
    if any(name in vars(base) for base in bases for name in OWN_WAYS | _OTHER_WAYS):
        return False
    attributes = [vars(base)["__dict__"] for base in bases if "__dict__" in vars(base)]
    if not attributes or not all(isinstance(found, GetSetDescriptorType) for found in attributes):
        return False
    return not any(isinstance(found, MemberDescriptorType) for base in bases for found in vars(base).values())
