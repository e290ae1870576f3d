"""Tells classes whose instances pickle as their attributes and nothing else, by the code of `object`."""

from __future__ import annotations

import copyreg
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from hermpkg_build.pickles.reducing import has_reducer_of_its_own

OWN_WAYS: Final = frozenset(
    {"__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"}
)
"""Methods that change how an object is pickled, of a class or of an instance."""
_OTHER_WAYS: Final = frozenset({"__class__", "__getattr__", "__getattribute__"})
_OBJECT: Final[Any] = object


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
