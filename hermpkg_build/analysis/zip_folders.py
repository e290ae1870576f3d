"""Lists the folders in a ZIP file on the search path, and reads what distributions in it say."""

from __future__ import annotations

import os
from contextlib import suppress

_LARGEST = 1 << 26
"""Bytes of a record of a hundred thousand files and more."""


def zip_listings(path: str, data: bytes) -> dict[str, dict[str, bool]]:
    """Return the folders of a ZIP file, as listings under its own path; {} for another file."""
    import io
    import zipfile  # Few search paths have any, so that it is loaded for them alone.

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return {}
    listings: dict[str, dict[str, bool]] = {path: {}}
    for name in names:
        *folders, file = name.split("/")
        here = path
        for folder in folders:
            listings[here][folder] = True
            here = os.path.join(here, folder)
            listings.setdefault(here, {})
        if file:
            listings[here].setdefault(file, False)
    return listings


def zip_metadata(path: str, data: bytes) -> dict[str, bytes]:
    """Return the metadata of the distributions in a ZIP file, by paths under its own; {} for another file.

    What cannot be read is left out.
    """
    import io
    import zipfile
    import zlib

    found: dict[str, bytes] = {}
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            folder, _, file = entry.filename.partition("/")
            is_metadata = folder.endswith((".dist-info", ".egg-info")) or folder == "EGG-INFO"
            if is_metadata and file and "/" not in file and entry.file_size <= _LARGEST:
                # Another method of compression and a password are such errors, too.
                with suppress(zipfile.BadZipFile, RuntimeError, zlib.error, EOFError, ValueError, OSError):
                    found[os.path.join(path, folder, file)] = archive.read(entry)
    return found
