"""The build backend of hermpkg-runtime in a checkout: setuptools, in a project of the files that it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from project import project_of
from source_archive import normalise_archive
from split import RUNTIME

Settings = Mapping[str, Any] | None


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of hermpkg-runtime; return its file name."""
    with project_of(RUNTIME):
        from setuptools.build_meta import build_wheel as build

        return str(build(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution of hermpkg-runtime; return its file name."""
    with project_of(RUNTIME):
        from setuptools.build_meta import build_sdist as build

        name = str(build(sdist_directory, config_settings))
    normalise_archive(Path(sdist_directory, name))
    return name


def build_editable(*_: object) -> NoReturn:
    """Refuse: a checkout is one package, which is installed as a link whole."""
    raise SystemExit(
        "hermpkg-runtime is a part of this checkout, which is installed as a link whole: "
        "pip install --editable CHECKOUT"
    )
