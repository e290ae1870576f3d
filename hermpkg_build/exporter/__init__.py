"""The imperative face: PackageExporter."""
