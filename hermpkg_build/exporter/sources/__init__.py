"""The places that an exporter takes modules from: the interpreter, packages, other importers."""
