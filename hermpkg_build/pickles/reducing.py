"""Reduces an object to the function, arguments and state that make it again."""

from __future__ import annotations

import copyreg
import datetime
import inspect
import pickle
import sys
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from hermpkg_build.core.module_names import top_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.array_padding import without_padding
from hermpkg_build.pickles.parametrized import by_its_original, is_made_for_one, parametrized_class

_OBJECT: Final[Any] = object
_NEW_OBJECT: Final[Any] = getattr(copyreg, "__newobj__")  # noqa: B009 -- stubs lack it
_OF_PATTERNS: Final = ("pattern", "flags", "groups", "groupindex")
_SET_REDUCERS: Final[tuple[Any, ...]] = (set.__reduce__, frozenset.__reduce__)
_SET_ITERATOR: Final[Any] = type(iter(set()))


class Elements:
    """Stands for the list of a set's elements among the arguments of a subclass or an iterator of set."""

    __slots__ = ("members",)

    def __init__(self, members: set[Any] | frozenset[Any]) -> None:
        self.members: set[Any] | frozenset[Any] = members


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The tuple that the ``__reduce_ex__`` of `obj` returned, checked."""

    obj: Any
    function: Any
    arguments: tuple[Any, ...]
    state: Any = None
    items: list[Any] | None = None
    pairs: list[tuple[Any, Any]] | None = None
    setter: Any = None


def reduced_instance(obj: Any) -> Reduced:
    """What an instance of a plain class reduces to."""
    return Reduced(obj=obj, function=_NEW_OBJECT, arguments=(type(obj),), state=vars(obj))


def is_value(obj: object) -> bool:
    """Whether `obj` counts by its value, although it reduces to a call.

    Dtypes of numpy do: some are one object for the whole process, equal ones that were loaded are others,
    and which of them an array has is an accident.
    """
    dtype = getattr(sys.modules.get("numpy"), "dtype", None)
    return dtype is not None and isinstance(obj, dtype)


_WRITTEN_BY = {"torch.export.exported_program.ExportedProgram": "torch.export.save"}
"""Types whose pickles lack what pickles of torch.fx graphs lack: what is known of each node."""


def reduce(obj: Any, protocol: int) -> Any:
    """The result of ``__reduce_ex__``, or of a reducer for the type of `obj`; NotImplemented for a class."""
    by_type: Any = copyreg.dispatch_table.get(type(obj))
    if by_type is not None:
        return _pattern_by_its_text(obj, by_type) or by_type(obj)
    # Not isinstance: before Python 3.11, list[int] says that it is a class.
    kind = type(obj)
    if issubclass(kind, type):
        return NotImplemented
    if writer := _WRITTEN_BY.get(f"{kind.__module__}.{kind.__qualname__}"):
        raise pickle.PicklingError(
            f"a pickle has not all that it needs, {writer} writes it: write it to an io.BytesIO, and save"
            " that as a binary resource"
        )
    if isinstance(obj, MethodType):
        _check_that_it_comes_back(obj)
    if (original := parametrized_class(obj)) is not None:
        return by_its_original(obj, original)
    if issubclass(kind, (datetime.datetime, datetime.time)) and obj.fold:
        # Before protocol 4 it is left out, although it is read from any.
        protocol = max(protocol, 4)
    return without_padding(obj).__reduce_ex__(protocol)


def has_reducer_of_its_own(kind: type) -> bool:
    """Whether `reduce` does more for instances of `kind` than to ask them."""
    return f"{kind.__module__}.{kind.__qualname__}" in _WRITTEN_BY or is_made_for_one(kind)


def _pattern_by_its_text(obj: Any, reducer: Any) -> Any:
    """The reduction of a compiled pattern to the text that it was compiled from, as ``re`` has it; else None.

    Other libraries of the same form pickle the code that they compiled, which has the order of hash tables.
    """
    library = top_of(getattr(reducer, "__module__", ""))
    compiler = getattr(sys.modules.get(library), "compile", None) if library != "re" else None
    if not isinstance(compiler, FunctionType) or any(not hasattr(obj, name) for name in _OF_PATTERNS):
        return None
    lists = dict(sorted(getattr(obj, "named_lists", {}).items()))
    again: Any = compiler(obj.pattern, obj.flags, **lists)
    if type(again) is not type(obj) or any(getattr(again, n) != getattr(obj, n) for n in _OF_PATTERNS):
        return None
    if lists:
        return partial(compiler, obj.pattern, obj.flags, **lists), ()
    return compiler, (obj.pattern, obj.flags)


def _check_that_it_comes_back(method: MethodType) -> None:
    """Raise pickle.PicklingError for a method that its object does not have by the function's own name.

    A method reduces to that name, and is looked up while its object has no attributes yet: a wrapper
    that an object has in place of a method of its class would silently come back as the latter.
    """
    owner, name = method.__self__, getattr(method.__func__, "__name__", "")
    if not name or isinstance(owner, (type, ModuleType)):
        return
    of_class = inspect.getattr_static(type(owner), name, None)
    if isinstance(of_class, FunctionType) and of_class is not method.__func__:
        raise pickle.PicklingError(
            f"pickle knows a method by its name, and this one would come back as {name!r} of its class"
        )
    if of_class is not None:
        return
    found = None if name in getattr(owner, "__dict__", ()) else getattr(owner, name, None)
    if not (isinstance(found, MethodType) and found == method):
        raise pickle.PicklingError(
            f"pickle knows a method by its name, and the class of its object has no {name!r}"
        )


def checked(obj: object, returned: Any) -> Reduced:
    """`returned` by the ``__reduce__`` of `obj`, without the order of any hash table left in it.

    Raises pickle.PicklingError where it breaks the rules of ``__reduce__``.
    """
    if not isinstance(returned, tuple) or not 2 <= len(returned) <= 6:
        raise pickle.PicklingError("its __reduce__ must return a string or a tuple of two to six items")
    function, arguments, state, items, pairs, setter = (*returned, None, None, None, None)[:6]
    if not callable(function):
        raise pickle.PicklingError("the first item of what its __reduce__ returns must be callable")
    if not isinstance(arguments, tuple):
        raise pickle.PicklingError("the second item of what its __reduce__ returns must be a tuple")
    kind: Any = type(obj)
    if isinstance(obj, (set, frozenset)) and kind.__reduce__ in _SET_REDUCERS:
        arguments = (Elements(obj),)
    elif kind is _SET_ITERATOR:
        arguments = (Elements({*arguments[0]}),)
    elif _has_default_state(kind) and isinstance(state, tuple) and len(state) == 2 and state[1]:
        state = (state[0], dict(sorted(state[1].items())))
    return Reduced(
        obj=obj,
        function=function,
        arguments=arguments,
        state=state,
        items=None if items is None else list(items),
        pairs=None if pairs is None else list(pairs),
        setter=setter,
    )


def runs_code(reduced: Reduced) -> bool:
    """Whether making the object again runs more than Python's own code for plain instances."""
    kind: Any = type(reduced.obj)
    if getattr(reduced.function, "__name__", "") != "__newobj__" or len(reduced.arguments) != 1:
        return True
    return kind.__new__ is not _OBJECT.__new__ or hasattr(kind, "__setstate__") or reduced.setter is not None


def _has_default_state(kind: Any) -> bool:
    """Whether instances give their attributes and slots themselves, the slots in class order.

    The slots have no order where ``__slots__`` is a set.
    """
    if kind.__reduce_ex__ is not _OBJECT.__reduce_ex__ or kind.__reduce__ is not _OBJECT.__reduce__:
        return False
    return getattr(kind, "__getstate__", None) is getattr(_OBJECT, "__getstate__", None)
