"""Objects that reduce themselves for packages: each once, saving what it needs beside the pickle."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable
from typing import Any


class PackageReductions:
    """Calls ``__reduce_package__`` of objects with `exporter`, once for all pickles.

    Objects are numbered by their first appearance, and kept alive, for the number is tied to the identity.
    The exporter is not: it has these.
    """

    def __init__(self, exporter: Any) -> None:
        self._exporter = weakref.ref(exporter)
        self._reduced: dict[int, tuple[Any, tuple[Any, ...]]] = {}

    def concern(self, kind: type) -> bool:
        """Whether instances of `kind` can have a persistent id."""
        return getattr(kind, "__reduce_package__", None) is not None

    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        """The persistent id of an object with ``__reduce_package__``, None for any other.

        Raises PicklingError where it returns what it must not, and what its code raises.
        """
        reduce_package: Callable[[Any, Any], Any] | None = getattr(type(obj), "__reduce_package__", None)
        if reduce_package is None:
            return None
        if id(obj) not in self._reduced:
            returned = reduce_package(obj, self._exporter())
            if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[0])):
                raise pickle.PicklingError(
                    "its __reduce_package__ must return a function and a tuple of arguments for it"
                )
            self._reduced[id(obj)] = obj, ("reduce_package", len(self._reduced), *returned)
        return self._reduced[id(obj)][1]

    def object_of(self, number: int) -> Any:
        """The object with this number."""
        return next(obj for obj, (_, known, *_) in self._reduced.values() if known == number)


def copied(reduction: Any) -> Any:
    """Copy a tuple, with the lists and dicts that stand in it and in tuples in it.

    An object that its own parts refer to is made there first, out of such a copy.
    """
    if type(reduction) is tuple:
        return tuple(map(copied, reduction))
    return reduction.copy() if type(reduction) in (list, dict) else reduction
