"""Where a distribution is needed: the markers on all ways that lead to it, as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

Way: TypeAlias = frozenset[str]
"""The markers of one way, which must all hold; an empty one is open everywhere."""

OPEN: Way = frozenset()
_MOST_WAYS = 8
"""With more ways the marker asks only for what all of them have in common: it may hold in more places."""


def with_way(ways: Collection[Way], way: Way) -> frozenset[Way] | None:
    """Return `ways` with one more; None where another one is open wherever it is.

    >>> with_way({frozenset({"a"})}, frozenset({"a", "b"})) is None
    True
    >>> with_way({frozenset({"a", "b"})}, frozenset({"a"})) == {frozenset({"a"})}
    True
    """
    if any(other <= way for other in ways):
        return None
    kept = frozenset({*(other for other in ways if not way <= other), way})
    return kept if len(kept) <= _MOST_WAYS else frozenset({frozenset.intersection(*kept)})


def marker_of(ways: Iterable[Way], also: str = "") -> str:
    """Return the marker that holds where one of `ways` is open, and the marker `also` holds.

    >>> marker_of([frozenset({'os_name == "nt"'})], 'python_version < "3.12" or extra == "a"')
    '(python_version < "3.12" or extra == "a") and os_name == "nt"'
    >>> marker_of([OPEN])
    ''
    """
    alternatives = sorted(_all_of(sorted(way)) for way in ways)
    if "" in alternatives:
        return also
    either = " or ".join(
        f"({each})" if len(alternatives) > 1 and " and " in each else each for each in alternatives
    )
    return _all_of([each for each in (also, either) if each])


def _all_of(markers: Sequence[str]) -> str:
    """The marker that holds where all `markers` do, in the usual form: brackets only where they matter."""
    return " and ".join(map(_grouped, markers)) if len(markers) > 1 else "".join(markers)


def _grouped(marker: str) -> str:
    return f"({marker})" if " or " in marker else marker
