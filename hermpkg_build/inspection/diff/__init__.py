"""Compares two artifacts, from their records down to opcodes and tensors."""
