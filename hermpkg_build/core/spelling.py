"""Finds the known word that a misspelled one probably means."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 200
_MOST_COMPARED = 500
"""Those that are as long as the word. Each takes some 10 us."""


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return the word of `known` that is most like `word`, "" where no `likeness` reaches that (of 1).

    A word that differs in case only comes before all others.

    >>> did_you_mean("resource", ["resources", "models"])
    'resources'
    """
    from difflib import get_close_matches
    from heapq import nsmallest

    candidates = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    if word.casefold() in folded:
        return folded[word.casefold()]
    if len(word) > _LONGEST:
        return ""
    if len(candidates) > _MOST_COMPARED:
        candidates = nsmallest(_MOST_COMPARED, candidates, key=lambda each: abs(len(each) - len(word)))
    return next(iter(get_close_matches(word, candidates, n=1, cutoff=likeness)), "")


def question(word: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return the next step ``did you mean 'x'?``, or "" where no known word is much like `word`."""
    meant = did_you_mean(word, known)
    return f"did you mean '{prefix}{meant}'?" if meant else ""
