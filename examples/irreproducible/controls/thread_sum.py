"""A sum of floating point numbers whose order depends on the number of threads."""

import torch


class Model(torch.nn.Module):
    """A model that is normalised by the sum of its weights."""

    def __init__(self):
        super().__init__()
        weight = torch.randn((1 << 20) + 12345)
        self.register_buffer("total", weight.sum().reshape(1))


def make():
    return Model()
