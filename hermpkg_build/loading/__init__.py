"""Loads BUILD files: Starlark in, targets out."""
