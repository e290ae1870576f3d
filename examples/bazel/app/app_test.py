"""Greets by the artifact alone."""

import os

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    assert importer.import_module("app.greeter").greet("Ada") == "Good day, Ada!"
