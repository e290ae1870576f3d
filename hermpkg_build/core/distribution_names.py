"""Names of distributions in the one form in which they are compared (PEP 503)."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """The name in lower case, with one "-" for each run of "-", "_" and "."."""
    return re.sub(r"[-_.]+", "-", name).lower()
