"""Code of its own that examples give to libraries."""
