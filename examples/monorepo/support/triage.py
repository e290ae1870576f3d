"""Finds the letters that cannot wait."""

from __future__ import annotations

from libs.text.words import words_of


class Triage:
    """Says whether a letter is urgent."""

    def __init__(self, urgent: list[str]) -> None:
        self.urgent = frozenset(urgent)

    def __call__(self, letter: str) -> bool:
        return not self.urgent.isdisjoint(words_of(letter))


def make(urgent: list[str]) -> Triage:
    return Triage(urgent)
