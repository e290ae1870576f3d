"""Makes the source distribution of hermpkg-speed of a checkout; setuptools makes wheels of that."""

from __future__ import annotations

from pathlib import Path

from project import project_of
from source_archive import normalise_archive
from split import SPEED


def build_sdist(sdist_directory: str) -> str:
    """Build the source distribution; return its file name."""
    with project_of(SPEED):
        from setuptools.build_meta import build_sdist as build

        name = str(build(sdist_directory))
    normalise_archive(Path(sdist_directory, name))
    return name
