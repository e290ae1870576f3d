"""Asks the artifact, where neither `search` nor `libs` can be imported."""

import os

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    rank = importer.load_pickle("model", "model.pkl")

assert rank("Which DOG barks?") == ["dogs"]
assert rank("cat") == ["cats", "dogs"]
