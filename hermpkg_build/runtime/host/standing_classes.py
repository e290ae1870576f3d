"""Classes that packaged code gets in place of the host's, and that have the same instances."""

from __future__ import annotations

from abc import ABCMeta


class StandsForItsBase(ABCMeta):
    """Has ``isinstance`` and ``issubclass`` mean the base, as they would if packaged code had that.

    Only for the class that is made with this metaclass; those derived from it are classes like others,
    abstract ones among them: hence ABCMeta, which a class that also derives from ABC must have.
    """

    stands_for: type | None

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, object], /, **options: object
    ) -> StandsForItsBase:
        """The class, which stands for its base unless it derives from such a class itself."""
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
