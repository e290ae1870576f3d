"""The build backend of a checkout, and of the source distribution of hermpkg-build, which holds all of it.

Out of a source distribution comes the wheel of hermpkg-build, which needs hermpkg-runtime. A checkout, and
whatever is installed as a link, is the whole package in one distribution: no release of the runtime fits it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkout_files import checkout_files
from project import project_of
from source_archive import Entry, write_archive
from split import BUILD, CHECKOUT, WHOLE, version_of

Settings = Mapping[str, Any] | None


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; return its file name."""
    with project_of(_distribution()):
        from setuptools.build_meta import build_wheel as build

        return str(build(wheel_directory, config_settings, metadata_directory))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the metadata that the wheel will have; return the folder's name."""
    with project_of(_distribution()):
        from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare

        return str(prepare(metadata_directory, config_settings))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution: all files of the checkout, also tests, pages, rules and examples."""
    top = f"{BUILD.replace('-', '_')}-{version_of()}"
    entries = {f"{top}/PKG-INFO": Entry(content=_metadata(config_settings))}
    for file in checkout_files(CHECKOUT):
        path = CHECKOUT / file
        is_program = bool(path.stat().st_mode & 0o100)
        entries[f"{top}/{file}"] = Entry(content=path.read_bytes(), is_program=is_program)
    write_archive(entries, Path(sdist_directory, f"{top}.tar.gz"))
    return f"{top}.tar.gz"


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel with a link to the checkout; return its file name."""
    from setuptools.build_meta import build_editable as build

    return str(build(wheel_directory, config_settings, metadata_directory))


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the metadata of an installed link; return the folder's name."""
    from setuptools.build_meta import prepare_metadata_for_build_editable as prepare

    return str(prepare(metadata_directory, config_settings))


def _distribution() -> str:
    """Return what a wheel is made of here."""
    return str(BUILD if (CHECKOUT / "PKG-INFO").is_file() else WHOLE)


def _metadata(config_settings: Settings) -> bytes:
    """Return the metadata of the wheel, which is that of the source distribution."""
    from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare

    with project_of(BUILD), tempfile.TemporaryDirectory() as folder:
        return Path(folder, prepare(folder, config_settings), "METADATA").read_bytes()
