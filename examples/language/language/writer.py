"""A language model that has its tokenizer with it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from language.tokenizer import Tokenizer

HERE = Path(__file__).parent


class Writer(nn.Module):
    """Scores the next piece of a text, and goes on with a text."""

    def __init__(self, tokenizer: Tokenizer, width: int, layers: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.embed = nn.Embedding(len(tokenizer.pieces), width)
        self.read = nn.GRU(width, width, layers, batch_first=True)
        self.score = nn.Linear(width, len(tokenizer.pieces))

    def forward(self, numbers: Tensor) -> Tensor:
        return self.score(self.read(self.embed(numbers))[0])

    @torch.inference_mode()
    def write(self, text: str, pieces: int = 12) -> str:
        """Go on with `text` for so many pieces, each the likeliest."""
        numbers = self.tokenizer.encode(text)
        for _ in range(pieces):
            numbers.append(int(self(torch.tensor([numbers]))[0, -1].argmax()))
        return self.tokenizer.decode(numbers)


def make() -> Writer:
    """The model, by the files that the target's modules list as resources; its `weights` fill it."""
    config = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
    return Writer(Tokenizer.load(HERE / "tokenizer.json"), **config).eval()
