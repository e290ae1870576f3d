"""What distributions say that they need: requirements (PEP 508) as names, extras and markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from hermpkg_build.core.distribution_names import LONGEST_SPECIFIER, normalised
from hermpkg_build.dataclass import dataclass
from hermpkg_build.environment.toml_fields import LockFormError, usual_marker

_EXTRA = r"""extra\s*==\s*['"]([^'"]+)['"]"""
_EXTRA_ALONE = re.compile(_EXTRA)
_EXTRA_LAST = re.compile(rf"(.*\S)\s+and\s+{_EXTRA}", re.DOTALL)
_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Need:
    """A distribution with its extras, and the marker of the places where it is needed, "" for all."""

    name: str
    extras: tuple[str, ...]
    marker: str


def needs_of(requirements: Iterable[str], extra: str) -> Iterator[Need]:
    """Give what `requirements` ask for, those of one `extra`, or those of none where that is "".

    What is no requirement, as old metadata can have, is passed over.

    >>> texts = ["a>=1", "b; extra == 'x'", "c; os_name == 'nt' and extra == 'x'"]
    >>> [need.name for need in needs_of(texts, "x")]
    ['b', 'c']
    """
    for text in requirements:
        head, semicolon, marker = text.partition(";")
        if " @ " in head and not semicolon:
            head = head.partition(" @ ")[0]
        match = _NAMED.match(head)
        is_of_extra = "extra" in marker
        if match is None or len(text) > 4 * LONGEST_SPECIFIER or is_of_extra != bool(extra):
            continue
        condition = _condition(marker.strip(), extra)
        if condition is not None:
            extras = tuple(sorted({normalised(each.strip()) for each in (match[2] or "").split(",")} - {""}))
            yield Need(normalised(match[1]), extras, condition)


@lru_cache(maxsize=4096)
def _condition(marker: str, extra: str) -> str | None:
    """Return a marker without its condition on the extra that is asked for; None where it does not hold."""
    try:
        usual = usual_marker(marker, LockFormError) if marker else ""
        named = {normalised(name) for name in _EXTRA_ALONE.findall(usual)}
        if not extra:
            return usual
        if extra not in named:
            return None
        if _EXTRA_ALONE.fullmatch(usual):
            return ""
        last = _EXTRA_LAST.fullmatch(usual)
        if last and "extra" not in last[1] and _is_one(last[1]):
            return usual_marker(last[1], LockFormError)
        return "" if _holds_here(usual, extra) else None
    except LockFormError:
        return None


def _is_one(marker: str) -> bool:
    """Whether a marker can stand before "and" as it is: no "or" in it is outside of brackets."""
    return " or " not in re.sub(r"\([^()]*\)", "", marker)


def _holds_here(marker: str, extra: str) -> bool:
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": extra})
