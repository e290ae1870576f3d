"""Scores the nodes of a graph, with the networkx of the artifact and the numpy of this machine."""

import os
import sys

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"], check="error") as importer:
    net = importer.load_pickle("model", "model.pkl")
    networkx = importer.import_module("networkx")

assert "networkx" not in sys.modules
assert "numpy" in sys.modules
scores = net(networkx.cycle_graph(6))
print({node: round(score, 3) for node, score in scores.items()})
assert len(scores) == 6
