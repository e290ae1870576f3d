"""Decides which artifacts are accepted, by digest, signers and what they could do; runs nothing of them."""
