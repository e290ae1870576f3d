"""Artifacts in wheels: what all build backends share, and the hooks of hatch and PDM."""
