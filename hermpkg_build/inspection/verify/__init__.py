"""Verifies artifacts: against their manifests, the lock, and builds under other conditions."""
