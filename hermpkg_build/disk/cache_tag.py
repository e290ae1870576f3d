"""The marker file of folders that are caches of this program (https://bford.info/cachedir/)."""

from __future__ import annotations

import os

from hermpkg_build.disk.files import read_limited

TAG_NAME = "CACHEDIR.TAG"
TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# This folder is a cache of hermpkg and can be deleted at any time.\n"
    b"# The first line tells backup programs so: https://bford.info/cachedir/\n"
)
_LARGEST = 64 << 10


def is_cache(folder: str) -> bool:
    """Whether a folder carries the marker file, with the standard's first line and our name."""
    try:
        tag = read_limited(os.path.join(folder, TAG_NAME), _LARGEST)
    except OSError:
        return False
    return tag.startswith(TAG.partition(b"\n")[0]) and b"hermpkg" in tag
