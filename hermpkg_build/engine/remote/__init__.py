"""Shares results with other machines, and makes model objects on them."""
