"""The normalised form of distribution names, in which they are compared (PEP 503)."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """Return `name` in lower case, with one "-" for each run of "-", "_" and ".".

    >>> normalised("Zope.Interface__x")
    'zope-interface-x'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
