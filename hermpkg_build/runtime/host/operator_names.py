"""Where the torch operators of one package are: under their plain names, or in private namespaces."""

from __future__ import annotations

import sys
import threading
import weakref


class OperatorNames:
    """Which operators of one package are in a private namespace, and which under their plain names.

    Names are ``ns::op``, or ``ns::op.out`` for an overload. Overloads go with the operator of their package;
    one that a package adds to an operator of others goes there, unless others have added the same.
    """

    def __init__(self, prefix: str) -> None:
        self._suffix = f"__{prefix.strip('<>')}"
        self._private: set[str] = set()
        self.private_namespaces: set[str] = set()
        """Namespaces, by their plain names, in which all that the package registers is private."""
        self.namespaces: set[str] = set()
        """The namespaces that the package has registered under their plain names."""

    def private_namespace(self, namespace: str) -> str:
        """The package's private namespace that stands in for `namespace`, as ``ns__torch_package_3``."""
        return f"{namespace}{self._suffix}"

    def is_private(self, name: str) -> bool:
        """Whether the operator or overload `name` is in a private namespace."""
        return not self._private.isdisjoint((name, without_overload(name)))

    def has_private_overloads(self, operator: str) -> bool:
        """Whether overloads of `operator`, which others have registered, are in a private namespace."""
        return any(without_overload(name) == operator for name in self._private)

    def resolve(self, name: str) -> str:
        """The name under which torch has the operator that packaged code calls `name`."""
        return self.private_name(name) if self.is_private(name) else name

    def private_name(self, name: str) -> str:
        """The name that the operator `name` has in the private namespace."""
        namespace, separator, operator = name.partition("::")
        return f"{self.private_namespace(namespace)}{separator}{operator}"

    def make_private(self, name: str) -> None:
        """Resolve the operator or overload `name` to the private namespace from now on."""
        operator = without_overload(name)
        self._private.add(name if exists(operator) and not self.is_own(operator) else operator)

    def becomes_private(self, name: str) -> bool:
        """Whether a new overload or operator `name` goes where earlier ones of it went, to be private."""
        return self.is_private(name) or name.partition("::")[0] in self.private_namespaces

    def is_own(self, name: str) -> bool:
        """Whether this package is the first to have registered the operator of `name`."""
        return _claims.get(without_overload(name)) is self

    def claim(self, name: str) -> bool:
        """Whether this package may register the operator `name`; from now on, no other may.

        Where the operator exists, torch itself tells who may add to it.
        """
        with _claiming:
            operator = without_overload(name)
            is_of_others = exists(operator) and not self.is_own(name)
            return exists(name) or _claims.setdefault(name if is_of_others else operator, self) is self

    def name_for_new(self, name: str) -> str:
        """The name under which to register the new operator `name`."""
        is_taken = exists(name) and not self.is_own(name)
        if self.becomes_private(name) or is_taken or not self.claim(name):
            self.make_private(name)
        return self.resolve(name)


_claims: weakref.WeakValueDictionary[str, OperatorNames] = weakref.WeakValueDictionary()
"""Who was told to register an operator under its plain name: packages load in any number of threads."""
_claiming = threading.Lock()


def without_overload(name: str) -> str:
    """``ns::op`` of ``ns::op.overload``."""
    return name.partition(".")[0]


def exists(name: str) -> bool:
    """Whether torch has an operator, or an overload of one, `name`, whoever registered it."""
    namespace, _, path = name.partition("::")
    operator, _, overload = path.partition(".")
    packet = getattr(getattr(sys.modules["torch"].ops, namespace), operator, None)
    return packet is not None and (not overload or hasattr(packet, overload))
