"""Finds which of several conditions cause an effect, by halving them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def find_causes(conditions: Sequence[str], shows: Callable[[Sequence[str]], bool]) -> list[tuple[str, ...]]:
    """Return the conditions that suffice alone for the effect, each as a tuple of one, in their order.

    `shows` says whether the effect shows under some of the conditions; under all of them together it does.
    Where no condition suffices alone, the result is one tuple of several that suffice together and none of
    which can be left out. Each call of `shows` may take seconds; to find one cause among n takes about 2 log
    n calls.
    """
    singles = _sufficient(tuple(conditions), shows)
    return singles or [_least(tuple(conditions), shows)]


def _sufficient(conditions: tuple[str, ...], shows: Callable[[Sequence[str]], bool]) -> list[tuple[str, ...]]:
    """Return those of `conditions` that suffice alone; under all of them together the effect shows."""
    if len(conditions) == 1:
        return [conditions]
    middle = len(conditions) // 2
    halves = [half for half in (conditions[:middle], conditions[middle:]) if shows(half)]
    return [single for half in halves for single in _sufficient(half, shows)]


def _least(conditions: tuple[str, ...], shows: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """Return some of `conditions` under which the effect shows, and without any of which it does not."""
    kept = conditions
    for condition in conditions:
        without = tuple(other for other in kept if other != condition)
        if without and shows(without):
            kept = without
    return kept
