"""Where the torch operators of one package are: under their plain names, or in private namespaces."""

from __future__ import annotations

import sys
import threading
import weakref


class OperatorNames:
    """Which operators of one package are in a private namespace, and which under their plain names.

    Names are ``ns::op``; an overload, as in ``ns::op.out``, counts as its operator.
    """

    def __init__(self, prefix: str) -> None:
        self._suffix = f"__{prefix.strip('<>')}"
        self._private: set[str] = set()
        self.private_namespaces: set[str] = set()
        """Namespaces, by their plain names, in which all that the package registers is private."""
        self.registered: set[str] = set()
        """The operators and namespaces that the package has registered under their plain names."""

    def private_namespace(self, namespace: str) -> str:
        """The package's private namespace that stands in for `namespace`, as ``ns__torch_package_3``."""
        return f"{namespace}{self._suffix}"

    def is_private(self, name: str) -> bool:
        """Whether the operator `name` is in a private namespace."""
        return without_overload(name) in self._private

    def resolve(self, name: str) -> str:
        """The name under which torch has the operator that packaged code calls `name`."""
        namespace, separator, operator = name.partition("::")
        return f"{self.private_namespace(namespace)}{separator}{operator}" if self.is_private(name) else name

    def make_private(self, name: str) -> None:
        """Resolve the operator `name` to the private namespace from now on."""
        self._private.add(without_overload(name))

    def becomes_private(self, name: str) -> bool:
        """Whether a new overload or operator `name` goes where earlier ones of it went, to be private."""
        return self.is_private(name) or name.partition("::")[0] in self.private_namespaces

    def claim(self, name: str) -> bool:
        """Whether this package may register the operator `name`; from now on, no other may.

        Where the operator exists, torch itself tells who may add to it.
        """
        with _claiming:
            return exists(name) or _claims.setdefault(without_overload(name), self) is self

    def name_for_new(self, name: str) -> str:
        """The name under which to register the new operator `name`."""
        is_taken = exists(name) and name not in self.registered
        if self.becomes_private(name) or is_taken or not self.claim(name):
            self.make_private(name)
        else:
            self.registered.add(name)
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
