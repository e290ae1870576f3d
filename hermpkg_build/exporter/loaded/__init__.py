"""Finds imports that sources do not show, by the modules that this process has loaded."""
