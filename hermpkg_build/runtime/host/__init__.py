"""What modules of the host look like to packed code."""
