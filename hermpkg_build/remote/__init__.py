"""Caches and executors shared over the network; nothing of this is imported where none is configured."""
