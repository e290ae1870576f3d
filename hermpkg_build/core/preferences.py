"""The settings of ``[tool.hermpkg]`` that change how hermpkg works and never what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.quantities import read_size

UNLIMITED = "unlimited"
DEFAULT_CACHE_SIZE = "20GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One setting. `read` makes the value of what a file says, or raises ValueError with what is needed."""

    key: str
    help: str
    default: str
    read: Callable[[Json], object]


def read_cache_size(value: Json) -> int | None:
    """Read a limit in bytes; None where there is none. Raises ValueError.

    >>> read_cache_size("20GB"), read_cache_size(1000), read_cache_size("unlimited")
    (20000000000, 1000, None)
    """
    if value == UNLIMITED:
        return None
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return read_size(str(value))
    raise ValueError('a size such as "20GB", or "unlimited"')


PREFERENCES = {
    preference.key: preference
    for preference in (
        Preference(
            key="cache-size",
            help="what the cache may take; what was not used for longest goes first",
            default=DEFAULT_CACHE_SIZE,
            read=read_cache_size,
        ),
    )
}
