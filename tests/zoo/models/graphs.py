"""Models of graphs and molecules, each with an example."""

from __future__ import annotations

from typing import Any

Made = tuple[Any, Any]


def torch_geometric() -> Made:
    import torch
    from torch_geometric.nn import GAT

    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    return GAT(4, 8, num_layers=2, heads=2).eval(), (torch.rand(4, 4), edges)


def egnn_pytorch() -> Made:
    import torch
    from egnn_pytorch import EGNN

    return EGNN(dim=8).eval(), (torch.rand(1, 5, 8), torch.rand(1, 5, 3))


def e3nn() -> Made:
    from e3nn import o3

    model = o3.FullyConnectedTensorProduct("2x0e+1x1o", "1x0e+1x1o", "2x0e+1x1o")
    return model, (model.irreps_in1.randn(3, -1), model.irreps_in2.randn(3, -1))


def torchani() -> Made:
    import torch
    from torchani import AEVComputer
    from torchani.aev import ANIAngular, ANIRadial  # noqa: F401

    model = AEVComputer.like_2x(num_species=4)
    return model, ((torch.tensor([[0, 1, 2]])), torch.rand(1, 3, 3))


def torch_frame() -> Made:
    import torch
    from torch_frame.nn import FTTransformerConvs

    return FTTransformerConvs(channels=8, num_layers=1).eval(), (torch.rand(2, 3, 8),)
