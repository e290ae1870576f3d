"""Makes a linear layer with a prior over its weights."""

import pyro.distributions as dist
import torch
from pyro.nn import PyroModule, PyroSample


def make() -> PyroModule:
    """Four inputs, two outputs."""
    layer = PyroModule[torch.nn.Linear](4, 2)
    layer.weight = PyroSample(dist.Normal(torch.zeros(2, 4), torch.ones(2, 4)).to_event(2))
    return layer.eval()
