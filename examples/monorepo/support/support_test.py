"""Asks the artifact, where neither `support` nor `libs` can be imported."""

import os

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    is_urgent = importer.load_pickle("model", "model.pkl")

assert is_urgent("There is a FIRE!")
assert not is_urgent("Thank you.")
