"""What differs between two artifacts, from records down to opcodes and tensors."""
