"""Runs the network with and without its adapters."""

import torch


def outputs(model):
    """Both results."""
    batch = torch.rand(3, 8)
    adapted = model(batch)
    with model.disable_adapter():
        plain = model(batch)
    return [adapted, plain]
