"""Makes a graph convolutional network."""

from torch_geometric.nn import GCN


def make() -> GCN:
    """Two layers over eight features."""
    return GCN(in_channels=8, hidden_channels=16, num_layers=2, out_channels=4).eval()
