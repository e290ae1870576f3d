"""Draws digits at random places, with noise: what the network is trained on, and tested with."""

import torch

DIGITS = """
.###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...#
#...# ..#.. ....# ..##. .#.#. ####. ####. ...#. .###. .####
#...# ..#.. ..##. ....# ##### ....# #...# ..#.. #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. ..#.. .###. .##..
"""
ROWS = [line.split() for line in DIGITS.split("\n") if line]
SHAPES = torch.tensor(
    [[[float(mark == "#") for mark in row[digit]] for row in ROWS] for digit in range(10)]
)


def draw(count: int, noise: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Give `count` images of shape (1, 12, 10), and the digits that are in them."""
    digits = torch.randint(10, (count,), generator=generator)
    images = torch.zeros(count, 1, 12, 10)
    tops = torch.randint(12 - 6 + 1, (count,), generator=generator).tolist()
    lefts = torch.randint(10 - 5 + 1, (count,), generator=generator).tolist()
    for image, digit, top, left in zip(images, digits.tolist(), tops, lefts, strict=True):
        image[0, top : top + 6, left : left + 5] = SHAPES[digit]
    return images + noise * torch.randn(images.shape, generator=generator), digits
