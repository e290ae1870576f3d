"""Ranks pages by how often they have the words that were asked for."""

from __future__ import annotations

from collections import Counter

from libs.text.words import words_of


class Ranker:
    """Knows the words of each page."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.counts = {name: Counter(words_of(text)) for name, text in sorted(pages.items())}

    def __call__(self, question: str) -> list[str]:
        words = words_of(question)
        scores = {name: sum(counts[word] for word in words) for name, counts in self.counts.items()}
        return sorted((name for name, score in scores.items() if score), key=lambda name: -scores[name])


def make(pages: dict[str, str]) -> Ranker:
    return Ranker(pages)
