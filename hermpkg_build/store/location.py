"""What marks a cache folder as one."""

from __future__ import annotations

FORMAT_FOLDER = "v1"
"""The folder of this cache format; a later version that changes the layout takes another."""

TAG_NAME = "CACHEDIR.TAG"
TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# This folder is a cache of hermpkg and can be deleted at any time.\n"
    b"# The first line tells backup programs so: https://bford.info/cachedir/\n"
)
