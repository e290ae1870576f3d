"""Artifacts in container registries: pushed and pulled in layers, by the OCI distribution API."""
