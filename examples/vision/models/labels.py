"""The names of the classes, and the best few of an image's scores by name."""

from torch import Tensor


def read(text: str) -> list[str]:
    """The class names of a labels file: one a line, in the order of the model's outputs."""
    return text.splitlines()


def best(scores: Tensor, names: list[str], count: int) -> list[tuple[str, float]]:
    """The `count` most likely classes of one image's `scores` [classes], each with its probability."""
    likelihood, index = scores.softmax(dim=0).topk(count)
    return [(names[i], p) for i, p in zip(index.tolist(), likelihood.tolist())]
