"""Matches two images."""

import torch


def outputs(model):
    """Points and confidences."""
    left = torch.rand(1, 1, 64, 64)
    matches = model({"image0": left, "image1": left.roll(shifts=8, dims=3)})
    return [matches["keypoints0"], matches["keypoints1"], matches["confidence"]]
