"""Finds the lines that two texts have in common, with as few edits as can be found in bounded time."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_EDITS = 250
"""So many are found at once, as few as can be; more of them in stretches, each from where the last ends."""
_MOST_STEPS = 1_000_000
"""About a second of work; what is behind has no lines in common then."""

Run = tuple[int, int, int]


def common_runs(a: Sequence[str], b: Sequence[str]) -> list[Run]:
    """Return the runs of lines in common, each as its place in `a`, in `b` and its length, in order."""
    numbers: dict[str, int] = {}
    left = [numbers.setdefault(line, len(numbers)) for line in a]
    right = [numbers.setdefault(line, len(numbers)) for line in b]
    runs: list[Run] = []
    place, steps = (0, 0), 0
    while place[0] < len(left) and place[1] < len(right) and steps < _MOST_STEPS:
        found, place, taken = _stretch(left, right, place)
        runs += found
        steps += taken
    return runs


def _stretch(
    left: Sequence[int], right: Sequence[int], first: tuple[int, int]
) -> tuple[list[Run], tuple[int, int], int]:
    """Find the runs from the places `first` on, up to some number of edits; the end, and the steps taken.

    This is Myers' greedy algorithm, "An O(ND) Difference Algorithm and Its Variations": with d edits it looks
    how far it comes along each diagonal, then with d + 1.
    """
    furthest = {first[0] - first[1] + 1: first[0]}
    trace: list[dict[int, int]] = []
    steps = 0
    while True:
        trace.append(furthest)
        furthest = {}
        for diagonal in sorted({key + way for key in trace[-1] for way in (-1, 1)}):
            x = begun = _start(trace[-1], diagonal)
            y = x - diagonal
            if not (first[0] <= x <= len(left) and first[1] <= y <= len(right)):
                continue
            while x < len(left) and y < len(right) and left[x] == right[y]:
                x, y = x + 1, y + 1
            steps += x - begun + 1
            furthest[diagonal] = x
            if x == len(left) and y == len(right):
                return _runs(trace, diagonal, x), (x, y), steps
        if len(trace) > _MOST_EDITS or steps > _MOST_STEPS:
            best = max(furthest, key=lambda diagonal: 2 * furthest[diagonal] - diagonal)
            return _runs(trace, best, furthest[best]), (furthest[best], furthest[best] - best), steps


def _start(furthest: dict[int, int], diagonal: int) -> int:
    """Return where one more edit leads on a diagonal: a line of `b` added, or one of `a` taken away."""
    return max(furthest.get(diagonal + 1, -1), furthest.get(diagonal - 1, -2) + 1)


def _runs(trace: Sequence[dict[int, int]], diagonal: int, x: int) -> list[Run]:
    """Follow the way back from `x` on a diagonal, through where it was with fewer edits."""
    runs: list[Run] = []
    for furthest in reversed(trace):
        start = _start(furthest, diagonal)
        if x > start:
            runs.append((start, start - diagonal, x - start))
        came_down = furthest.get(diagonal + 1, -1) == start
        diagonal, x = (diagonal + 1, start) if came_down else (diagonal - 1, start - 1)
    return runs[::-1]
