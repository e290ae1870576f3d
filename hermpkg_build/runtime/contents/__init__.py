"""Records of an artifact, opened, checked and mapped."""
