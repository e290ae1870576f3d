"""BUILD files in, targets out."""
