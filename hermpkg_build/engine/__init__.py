"""Builds what a request names: loads its targets, orders them, and runs the actions whose inputs changed."""
