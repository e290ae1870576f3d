"""Whether an artifact is what its manifest and its targets say."""
