"""Matches two images by the artifact alone: kornia cannot be imported here."""

import os

import torch

from hermpkg_build import PackageImporter

try:
    import kornia
except ImportError:
    pass
else:
    raise AssertionError(f"kornia was found on this machine: {kornia.__file__}")

generator = torch.Generator().manual_seed(0)
left = torch.rand(1, 1, 64, 64, generator=generator)
right = left.roll(shifts=8, dims=3)

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    matcher = importer.load_pickle("model", "model.pkl")
    with torch.inference_mode():
        matches = matcher({"image0": left, "image1": right})

count = len(matches["confidence"])
assert count > 0
assert matches["keypoints0"].shape == matches["keypoints1"].shape == (count, 2)
print(f"{count} matches")
