"""Reads digits that the network has not seen, by the artifact alone."""

import os

import torch

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    reader = importer.load_pickle("model", "model.pkl")
    draw = importer.import_module("digits.pictures").draw

images, digits = draw(500, 0.2, torch.Generator().manual_seed(1))
with torch.inference_mode():
    right = (reader(images).argmax(dim=1) == digits).float().mean().item()
print(f"{right:.0%} are read right")
assert right > 0.9
