"""The normalised form of distribution names, in which they are compared (PEP 503)."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST_SPECIFIER = 500
"""The most characters of a version specifier: none has more, and reading it could take their square."""


def normalised(name: str) -> str:
    """Return `name` in lower case, with one "-" for each run of "-", "_" and ".".

    >>> normalised("Zope.Interface__x")
    'zope-interface-x'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def normalised_requirements(requires: Mapping[str, str]) -> dict[str, str]:
    """Return version specifiers by normalised names; those of one distribution hold together.

    >>> normalised_requirements({"PyYAML": ">=6", "pyyaml": "<7", "torch": ">=2.4"})
    {'pyyaml': '>=6,<7', 'torch': '>=2.4'}
    """
    found: dict[str, str] = {}
    for name, versions in sorted(requires.items()):
        known = found.get(normalised(name))
        found[normalised(name)] = f"{known},{versions}" if known else versions
    return found
