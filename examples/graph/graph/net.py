"""A network over graphs: messages along edges, and a place in the graph for each node."""

from __future__ import annotations

import networkx
import numpy
import torch
from torch import Tensor, nn


def places(graph: networkx.Graph, size: int) -> Tensor:
    """Say where each node is: its values in the smoothest waves over the graph, which numpy computes."""
    adjacency = numpy.array([[float(graph.has_edge(a, b)) for b in graph] for a in graph])
    laplacian = numpy.diag(adjacency.sum(axis=1)) - adjacency
    return torch.from_numpy(numpy.linalg.eigh(laplacian)[1][:, 1 : size + 1]).abs().float()


class GraphNet(nn.Module):
    """Gives a number for each node of a graph, which may have any shape."""

    def __init__(self, size: int, rounds: int) -> None:
        super().__init__()
        self.size = size
        self.rounds = nn.ModuleList(nn.Linear(2 * size, size) for _ in range(rounds))
        self.score = nn.Linear(size, 1)

    def forward(self, graph: networkx.Graph) -> dict[str, float]:
        state = places(graph, self.size)
        numbers = {node: number for number, node in enumerate(graph)}
        pairs = [(numbers[a], numbers[b]) for a, b in graph.edges]
        ends = torch.tensor(pairs + [(b, a) for a, b in pairs])
        for layer in self.rounds:
            received = torch.zeros_like(state).index_add(0, ends[:, 1], state[ends[:, 0]])
            state = layer(torch.cat([state, received], dim=1)).relu()
        return dict(zip(graph, self.score(state)[:, 0].tolist(), strict=True))


def make(size: int, rounds: int) -> GraphNet:
    return GraphNet(size, rounds).eval()
