"""Lists the folders in a ZIP file on the search path."""

from __future__ import annotations

import os


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
