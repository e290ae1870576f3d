"""The code of the models that cross between versions: it is packed, and not there where they are loaded.

Annotations are no strings: data classes look those up in `sys.modules`, where stock has no packed module.
"""

import dataclasses
import enum
from typing import Any, NamedTuple

import torch
from torch import nn


class Color(enum.Enum):
    """Members are pickled by their values."""

    RED = 1
    BLUE = 2


class Rights(enum.IntFlag):
    """Flags are combined: a combination has no name of its own."""

    READ = 1
    WRITE = 2
    RUN = 4


class Point(NamedTuple):
    """A tuple with a class of its own."""

    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Config:
    """Restored without a call of its constructor."""

    width: int = 4
    names: tuple[str, ...] = ("a", "b")
    color: Color = Color.BLUE


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    """Restored by the functions that dataclasses add where there are slots."""

    width: int = 4


class Net(nn.Module):
    """What most models are made of, with a non-persistent buffer and a value of a packed class."""

    def __init__(self) -> None:
        super().__init__()
        self.config = Config()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.second = nn.Linear(8, 4)
        self.register_buffer("scale", torch.arange(4.0), persistent=False)

    def forward(self, x: Any) -> Any:
        """Compute something that depends on every part."""
        hidden = nn.functional.gelu(self.norm(self.first(x)))
        return self.second(nn.functional.dropout(hidden, training=self.training)) * self.scale


class Tied(nn.Module):
    """Two modules with one weight, as language models have."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the scores of the next word."""
        return self.head(self.embedding(x))


def scaled(x: Any, factor: float = 2.0) -> Any:
    """Multiply: a function that a partial holds."""
    return x * factor


def doubled(model: Any, inputs: Any, output: Any) -> Any:
    """Double what a module gives: a hook."""
    return output * 2
