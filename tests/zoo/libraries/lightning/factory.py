"""Makes Lightning's demonstration module."""

from lightning.pytorch.demos.boring_classes import BoringModel


def make() -> BoringModel:
    """One linear layer."""
    return BoringModel().eval()
