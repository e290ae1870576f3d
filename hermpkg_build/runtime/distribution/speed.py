"""The project of hermpkg-speed: one extension in C for every CPython of a platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Table = Mapping[str, Any]

FOLDER = "hermpkg_build/source/native"
_FOLDERS = (FOLDER, "hermpkg_build/pickles/native")
MODULE = "hermpkg_speed"

_OLDEST = "310"
"""The library is of the stable interface of this Python, which all that are newer keep."""

_LANGUAGE = ["-std=c99", "-O2", "-fwrapv", "-fvisibility=hidden"]
"""All that decides what is compiled; other flags come from Python, or from CFLAGS in their place."""

_NO_PLACES = ["-g0"]
"""Without what debuggers are told, which names the folder that it was built in: the same bytes anywhere."""


def speed_files(checkout: Path) -> Iterator[Path]:
    """Yield the files in C."""
    for folder in _FOLDERS:
        yield from sorted((checkout / folder).glob("*.[ch]"))


def speed_tables(checkout: Path, shared: Table, version: str) -> Table:
    """Return the tables of its pyproject.toml; `shared` is the metadata of all distributions."""
    extension = {
        "name": MODULE,
        "sources": [path.name for path in speed_files(checkout) if path.suffix == ".c"],
        "depends": [path.name for path in speed_files(checkout) if path.suffix == ".h"],
        "define-macros": [
            ["Py_LIMITED_API", f"0x{int(_OLDEST[0]):02x}{int(_OLDEST[1:]):02x}0000"],
            ["HERMPKG_SPEED_VERSION", f'"{version}"'],
        ],
        "extra-compile-args": [*_LANGUAGE, *_NO_PLACES],
        "py-limited-api": True,
    }
    project = {
        "name": "hermpkg-speed",
        "version": version,
        "description": "Reads sources and writes pickles in C for hermpkg-build of the same version",
        "readme": "README.md",
        **shared,
    }
    return {
        "project": project,
        "tool": {
            "setuptools": {"packages": [], "py-modules": [], "ext-modules": [extension]},
            "distutils": {"bdist_wheel": {"py_limited_api": f"cp{_OLDEST}"}},
        },
    }
