"""Segments an image."""

import torch


def outputs(model):
    """The scores of each pixel."""
    return [model(torch.rand(1, 1, 32, 32))]
