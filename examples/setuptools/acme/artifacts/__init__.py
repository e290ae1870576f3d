"""Artifacts, put here when a wheel is built."""
