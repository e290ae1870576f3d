"""Loads the artifact where the workspace's own modules cannot be imported, and classifies an image."""

import os

import torch

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    model = importer.load_pickle("model", "model.pkl")
    labels = importer.import_module("models.labels")
    names = labels.read(importer.load_text("models", "labels.txt"))

    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == 11_689_512, parameters
    assert not model.training

    image = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    with torch.inference_mode():
        scores = model(image)
    assert scores.shape == (1, len(names)), scores.shape
    for name, likelihood in labels.best(scores[0], names, 3):
        print(f"{likelihood:8.3%}  {name}")

try:
    import models
except ImportError:
    pass
else:
    raise AssertionError(f"the model's code was found on this machine: {models.__path__}")
