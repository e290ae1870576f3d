"""One thing that an artifact asks for, and the kinds of such things; `needs` reads them."""

from __future__ import annotations

import enum

from hermpkg_build.dataclass import dataclass


class NeedKind(str, enum.Enum):
    """The kinds of permissions."""

    GLOBAL = "global"
    MODULE = "module"
    CAPABILITY = "capability"
    EXTERN = "extern"
    DOUBT = "doubt"
    """What no permission covers but that for everything: it cannot be read, or not in one way only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that an artifact asks for.

    `name` is dotted, for a CAPABILITY its word, for a DOUBT a sentence. `attribute` is the part of a GLOBAL's
    name below its module. `places` are the first of the `count` places where it is in the artifact.
    """

    kind: NeedKind
    name: str
    attribute: str = ""
    places: tuple[str, ...] = ()
    count: int = 1

    @property
    def full_name(self) -> str:
        """The name with the attribute."""
        return f"{self.name}.{self.attribute}" if self.attribute else self.name
