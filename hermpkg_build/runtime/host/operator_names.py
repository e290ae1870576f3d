"""Where one package's operators of torch are: under their own names, or in a namespace of the package."""

from __future__ import annotations

import sys
import threading
import weakref


class OperatorNames:
    """Which operators of one package have a namespace of the package's own, and where the others are.

    Names are ``ns::op``, without an overload.
    """

    def __init__(self, prefix: str) -> None:
        self._suffix = f"__{prefix.strip('<>')}"
        self._moved: set[str] = set()
        self._moved_namespaces: set[str] = set()
        self._own: set[str] = set()

    def home(self, namespace: str) -> str:
        """The namespace of the package's own that stands in for `namespace`."""
        return f"{namespace}{self._suffix}"

    def has_moved(self, name: str) -> bool:
        """Whether the operator `name`, an overload or not, is in the package's own namespace."""
        return without_overload(name) in self._moved

    def resolve(self, name: str) -> str:
        """The name in the process's table of what packaged code calls `name`."""
        namespace, separator, operator = name.partition("::")
        return f"{self.home(namespace)}{separator}{operator}" if self.has_moved(name) else name

    def move(self, name: str) -> None:
        """Have the operator `name` in the package's own namespace from now on."""
        self._moved.add(without_overload(name))

    def move_namespace(self, namespace: str) -> None:
        """Have all that the package will register in `namespace` in its own."""
        self._moved_namespaces.add(namespace)

    def note_own(self, name: str) -> None:
        """Remember that this package has registered `name` (or a namespace) as it is."""
        self._own.add(name)

    def is_own(self, name: str) -> bool:
        """Whether this package has registered `name` (or a namespace) as it is."""
        return name in self._own

    def belongs_home(self, name: str) -> bool:
        """Whether a new overload or operator `name` follows what was moved before."""
        return self.has_moved(name) or name.partition("::")[0] in self._moved_namespaces

    def claim(self, name: str) -> bool:
        """Whether no other package is about to register the operator `name`, as this one is from now on.

        Where it exists, torch itself tells who may add to it.
        """
        with _claiming:
            return exists(name) or _claims.setdefault(without_overload(name), self) is self

    def place(self, name: str) -> str:
        """The name under which to register the new operator `name`."""
        is_taken = exists(name) and not self.is_own(name)
        if self.belongs_home(name) or is_taken or not self.claim(name):
            self.move(name)
        else:
            self.note_own(name)
        return self.resolve(name)


_claims: weakref.WeakValueDictionary[str, OperatorNames] = weakref.WeakValueDictionary()
"""Who was told to register an operator under its plain name: packages load in any number of threads."""
_claiming = threading.Lock()


def without_overload(name: str) -> str:
    """``ns::op`` of ``ns::op.overload``."""
    return name.partition(".")[0]


def exists(name: str) -> bool:
    """Whether torch has an operator `name`, whoever registered it."""
    namespace, _, operator = without_overload(name).partition("::")
    return hasattr(getattr(sys.modules["torch"].ops, namespace), operator)
