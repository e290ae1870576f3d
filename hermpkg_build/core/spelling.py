"""Finds the spelling that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """The one of `known` nearest to `word`, or "" where none is like it by at least `likeness` (of 1).

    Equal but for case counts as near, whatever the length.
    """
    from difflib import get_close_matches

    candidates = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    if word.casefold() in folded:
        return folded[word.casefold()]
    return next(iter(get_close_matches(word, candidates, n=1, cutoff=likeness)), "")


def question(word: str, known: Iterable[str], *, prefix: str = "") -> str:
    """A next step: ``did you mean 'x'?``, or "" where nothing is near."""
    meant = did_you_mean(word, known)
    return f"did you mean '{prefix}{meant}'?" if meant else ""
