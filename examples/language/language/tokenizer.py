"""Byte-pair encoding: words become pieces, by merges that were learned from a text."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path


class Tokenizer:
    """Turns text into numbers and back; `merges` are pairs of pieces, the most frequent first."""

    def __init__(self, letters: list[str], merges: list[tuple[str, str]]) -> None:
        self.merges = [tuple(pair) for pair in merges]
        self.pieces = [*letters, *("".join(pair) for pair in self.merges)]
        self.numbers = {piece: number for number, piece in enumerate(self.pieces)}

    @classmethod
    def load(cls, file: Path) -> Tokenizer:
        """Read what `save` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def save(self, file: Path) -> None:
        """Write letters and merges as JSON."""
        letters = self.pieces[: len(self.pieces) - len(self.merges)]
        text = json.dumps({"letters": letters, "merges": self.merges}, indent=1)
        file.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def learn(cls, text: str, merges: int) -> Tokenizer:
        """Learn so many merges from a text."""
        words = [list(f"{word} ") for word in text.split()]
        learned: list[tuple[str, str]] = []
        for _ in range(merges):
            pairs = Counter(pair for word in words for pair in zip(word, word[1:], strict=False))
            if not pairs:
                break
            best = min(pairs, key=lambda pair: (-pairs[pair], pair))
            learned.append(best)
            words = [_merged(word, best) for word in words]
        return cls(sorted({letter for word in text.split() for letter in f"{word} "}), learned)

    def encode(self, text: str) -> list[int]:
        """Give the numbers of a text. Raises KeyError for a letter that it has not learned from."""
        numbers: list[int] = []
        for word in text.split():
            pieces = list(f"{word} ")
            for pair in self.merges:
                pieces = _merged(pieces, pair)
            numbers += [self.numbers[piece] for piece in pieces]
        return numbers

    def decode(self, numbers: list[int]) -> str:
        """Give the text of some numbers."""
        return "".join(self.pieces[number] for number in numbers)


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
