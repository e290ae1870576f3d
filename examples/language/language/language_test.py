"""Writes by the artifact alone: model, tokenizer and configuration are in it."""

import os

from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    writer = importer.load_pickle("model", "model.pkl")

assert writer.tokenizer.decode(writer.tokenizer.encode("the blue cat")) == "the blue cat "
written = writer.write("the red")
print(written)
assert written.startswith("the red boat is on the blue sea")
