"""Caches and executors shared over the network; imported only where one is configured."""
