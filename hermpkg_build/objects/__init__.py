"""Model objects: canonical pickles and the process that makes them."""
