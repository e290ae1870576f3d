"""Signatures of artifacts in the form of the OpenSSF model-signing specification, and signed statements."""
