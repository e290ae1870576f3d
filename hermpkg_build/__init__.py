"""Build PyTorch models, the code and the resources they need into one reproducible file."""

from __future__ import annotations

__version__ = "0.1.0"
