"""A metaclass for classes that packaged code gets in place of the host's, with the same instances."""

from __future__ import annotations

from abc import ABCMeta


class StandsForItsBase(ABCMeta):
    """Makes ``isinstance`` and ``issubclass`` ask the base, as if packaged code had the base itself.

    That holds for a class made with this metaclass directly. Those derived from it are ordinary classes,
    and may derive from ABC as well: hence ABCMeta.
    """

    stands_for: type | None

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, object], /, **options: object
    ) -> StandsForItsBase:
        """Make the class; it stands for its base unless it derives from a class that does."""
        made = super().__new__(cls, name, bases, namespace, **options)
        is_derived = any(isinstance(base, StandsForItsBase) for base in bases)
        made.stands_for = None if is_derived else bases[0]
        if made.stands_for is not None:
            made.__module__, made.__qualname__ = bases[0].__module__, bases[0].__qualname__
        return made

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether `instance` is one of the class that this one stands for."""
        if cls.stands_for is not None:
            return isinstance(instance, cls.stands_for)
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        """Whether `subclass` derives from the class that this one stands for."""
        if cls.stands_for is not None:
            return issubclass(subclass, cls.stands_for)
        return super().__subclasscheck__(subclass)
