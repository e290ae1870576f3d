"""PackageExporter: the imperative face of the core that the build engine stands on."""
