"""One module's bytes in, its import facts out."""
