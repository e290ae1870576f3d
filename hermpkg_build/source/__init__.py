"""Reads the import facts of a module from its source."""
