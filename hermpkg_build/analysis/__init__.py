"""Finds modules by name and follows their imports from a set of roots, without importing any."""
