"""The names that a source has in quotes or as parts of paths, in code and in comments alike."""

from __future__ import annotations

import re

_QUOTED = re.compile(rb"""(?=(["'/.*}][^"'/\n]{0,255}["'/]))""")


def quoted_names(source: bytes) -> frozenset[bytes]:
    r"""Return all that stands between two quotes, slashes and their like in one line, with these.

    >>> sorted(quoted_names(b"open('a/b.txt')  # don't"))
    [b"')  # don'", b"'a/", b".txt'", b"/b.txt'"]
    """
    return frozenset(_QUOTED.findall(source))
