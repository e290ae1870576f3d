"""Canonical pickles: one object graph, one sequence of bytes."""
