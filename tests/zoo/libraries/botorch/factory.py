"""Makes a transform that standardises outcomes."""

import torch
from botorch.models.transforms.outcome import Standardize


def make() -> Standardize:
    """Two outcomes, with the moments of a first batch."""
    transform = Standardize(m=2)
    transform.train()
    transform(torch.rand(6, 2, dtype=torch.float64))
    return transform.eval()
