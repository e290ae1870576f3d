"""One distribution of a project's lock."""

from __future__ import annotations

from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.environment.locked import LockedDistribution


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """A distribution, and what it needs as the lock says: requirements (PEP 508), versions left out."""

    distribution: LockedDistribution
    requirements: tuple[str, ...] = field(default=(), metadata=OMITTED)


def requirement_text(name: str, extras: tuple[str, ...] = (), marker: str = "", extra: str = "") -> str:
    """Return a requirement without a version, which holds where `extra` is asked for, unless that is "".

    >>> requirement_text("a", ("b", "c"), "os_name == 'nt' or os_name == 'java'", "test")
    "a[b,c]; (os_name == 'nt' or os_name == 'java') and extra == 'test'"
    """
    conditions = [
        f"({marker})" if " or " in marker and extra else marker,
        f"extra == '{extra}'" if extra else "",
    ]
    condition = " and ".join(filter(None, conditions))
    named = f"{name}[{','.join(extras)}]" if extras else name
    return f"{named}; {condition}" if condition else named
