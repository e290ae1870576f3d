"""The build backend of hermpkg-runtime in a checkout: setuptools, in a project of the files that it has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from split import RUNTIME, write_project

Settings = Mapping[str, Any] | None


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of hermpkg-runtime; return its file name."""
    with _project():
        from setuptools.build_meta import build_wheel as build

        return str(build(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution of hermpkg-runtime; return its file name."""
    with _project():
        from setuptools.build_meta import build_sdist as build

        return str(build(sdist_directory, config_settings))


def build_editable(*_: object) -> NoReturn:
    """Refuse: a checkout is one package, which is installed as a link whole."""
    raise SystemExit(
        "hermpkg-runtime is a part of this checkout, which is installed as a link whole: "
        "pip install --editable CHECKOUT"
    )


@contextmanager
def _project() -> Iterator[None]:
    """Work in a folder with the project alone. The folder that a frontend names is absolute."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        write_project(RUNTIME, Path(folder))
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
