"""The one place that decides what an artifact holds."""
