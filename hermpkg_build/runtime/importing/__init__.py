"""Modules of an artifact as Python's import system sees them."""
