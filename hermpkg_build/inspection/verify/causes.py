"""Finds which of several conditions cause something, by halving them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def find_causes(conditions: Sequence[str], shows: Callable[[Sequence[str]], bool]) -> list[tuple[str, ...]]:
    """The conditions that suffice alone, each as a tuple of one, in their order.

    `shows` says whether it shows under some of the conditions; it is known to under all of them. Where
    no single one suffices, the one tuple of the result are several that do together and of which none can
    be left out. Each `shows` may take seconds: for one cause among n they are about 2 log n.
    """
    singles = _sufficient(tuple(conditions), shows)
    return singles or [_least(tuple(conditions), shows)]


def _sufficient(conditions: tuple[str, ...], shows: Callable[[Sequence[str]], bool]) -> list[tuple[str, ...]]:
    """Those of `conditions` that suffice alone, where it shows under all of them together."""
    if len(conditions) == 1:
        return [conditions]
    middle = len(conditions) // 2
    halves = [half for half in (conditions[:middle], conditions[middle:]) if shows(half)]
    return [single for half in halves for single in _sufficient(half, shows)]


def _least(conditions: tuple[str, ...], shows: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """Some of `conditions` under which it shows and without any of which it does not."""
    kept = conditions
    for condition in conditions:
        without = tuple(other for other in kept if other != condition)
        if without and shows(without):
            kept = without
    return kept
