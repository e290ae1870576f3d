"""Record names and versions of the artifact: what torch.package fixes, and what hermpkg adds."""

from __future__ import annotations

import os

VERSION = 6
"""The torch.package format version that artifacts carry."""

NEWEST_READABLE_VERSION = 10
"""The newest format version that torch's own reader accepts (kMaxSupportedFileFormatVersion)."""

DATA = ".data/"
"""The folder of records that belong to the format, not to the user."""

VERSION_RECORD = ".data/version"
EXTERN_MODULES = ".data/extern_modules"
PYTHON_VERSION = ".data/python_version"
BYTEORDER = "byteorder"
MANIFEST = ".data/hermpkg/manifest.json"
MOCK_MODULE = "_mock"
"""The packed module that the stubs of mocked modules import."""

LONGEST_NAME = 511
"""The longest name in UTF-8 bytes, root folder included, that torch's reader does not cut short."""


def resource_record_name(package: str, resource: str) -> str:
    """The record of a resource or pickle. Raises ValueError for a `resource` that is not the name of a file.

    >>> resource_record_name("my.config", "words.txt"), resource_record_name("", "words.txt")
    ('my/config/words.txt', 'words.txt')
    """
    if not resource or "/" in resource or os.sep in resource:
        raise ValueError(f"{resource!r} must be only a file name: the folders are those of the package")
    return f"{package.replace('.', '/')}/{resource}" if package else resource


def storage_record_name(key: int) -> str:
    """The record of the tensor storage with the number `key`."""
    return f".data/{key}.storage"


def problem_with_name(name: str) -> str:
    """Why `name` cannot be that of a record, as half a sentence; "" where it can.

    A name is a relative path with ``/`` between its segments, none of which is empty, ``.`` or
    ``..``: extracting it can never write outside the folder one extracts to.
    """
    if not name:
        return "it is empty"
    if "\\" in name:
        return "it holds a backslash"
    if "\0" in name:
        return "it holds a NUL character"
    if name.startswith("/"):
        return "it is absolute"
    # The quick test first: nearly all names pass, and archives have many.
    if name[0] == "." or name[-1] in "./" or "/." in name or "//" in name:
        for segment in name.split("/"):
            if segment in ("", ".", ".."):
                return f"it has the segment {segment!r}"
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return "it cannot be written in UTF-8"
    return ""
