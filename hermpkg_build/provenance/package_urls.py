"""Names distributions as package URLs (purl), in their canonical form."""

from __future__ import annotations

import re
from urllib.parse import quote

from hermpkg_build.core.distribution_names import normalised

_DISTRIBUTION_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")

_URL = re.compile(
    r"(?:[a-z]+\+)?(?:https?|ssh|git)://[A-Za-z0-9.-]+(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9._~:/@!$&'()*,;=+-]|%[0-9A-Fa-f]{2})*)?"
)
_UNQUOTED = ":"


def distribution_url(name: str, version: str = "", source: str = "") -> str:
    """Return the package URL of a distribution, "" for a name that none has.

    `source` is where it was installed from, where that is no index.

    >>> distribution_url("Zope.Interface", "1.0+cpu")
    'pkg:pypi/zope-interface@1.0%2Bcpu'
    """
    if not _DISTRIBUTION_NAME.fullmatch(name):
        return ""
    at = f"@{quote(version, safe=_UNQUOTED)}" if version else ""
    known = known_source(source)
    key = "vcs_url" if "+" in known.partition(":")[0] else "download_url"
    qualifier = f"?{key}={quote(known, safe=':/')}" if known else ""
    return f"pkg:pypi/{normalised(name)}{at}{qualifier}"


def known_source(source: str) -> str:
    """Return `source` where it is a URL without anybody's password, else "".

    >>> known_source("git+https://example.org/repository@4f1c"), known_source("/srv/wheels")
    ('git+https://example.org/repository@4f1c', '')
    """
    return source if _URL.fullmatch(source) else ""
