"""Reads ``[tool.hermpkg.wheel]``: which artifacts become data of which package of a wheel."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass, fields
from hermpkg_build.errors import Location, WorkspaceError
from hermpkg_build.loading.workspace import line_of_setting

WHEEL_TABLES = ("wheel", "setuptools")
"""The names of the table in ``[tool.hermpkg]``; the second is what it was called first."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPart:
    """Artifacts that become data of one package of a wheel.

    `targets` are patterns, relative ones from the folder of the project. Without a `package` the artifacts go
    into `output_dir`, and into no wheel. They are checked where `verify` is set, and built again
    under other conditions where `rebuild` is. `backend` is the build backend that
    ``hermpkg_build.backend`` stands before, "" for the one that ``build-system.requires`` names.
    """

    targets: tuple[str, ...]
    package: str = ""
    output_dir: str = ""
    verify: bool = False
    rebuild: bool = False
    backend: str = ""


def read_wheel_parts(settings: Mapping[str, Json], path: str) -> tuple[WheelPart, ...]:
    """Read what the settings of a workspace, which the file `path` has, say of wheels; nothing is ().

    ``[tool.hermpkg.wheel]`` is one part, ``[[tool.hermpkg.wheel]]`` are several. Raises WorkspaceError.
    """
    names = [name for name in WHEEL_TABLES if name in settings]
    if not names:
        return ()
    if len(names) > 1:
        raise WorkspaceError(
            "[tool.hermpkg.wheel] and [tool.hermpkg.setuptools] say the same thing",
            location=Location(path),
            next_step="keep [tool.hermpkg.wheel]",
        )
    (name,) = names
    value = settings[name]
    tables = value if isinstance(value, list) else [value]
    return tuple(_part(table, name, path) for table in tables if table != {})


def read_wheel_part(table: Mapping[str, Json], name: str, path: str) -> WheelPart:
    """Read one part from the table `name` of the file `path`. Raises WorkspaceError."""
    known = {each.name.replace("_", "-") for each in fields(WheelPart)}
    for key in table:
        if key not in known:
            raise WorkspaceError(
                f"{name} has no setting {key!r}",
                location=Location(path, line_of_setting(path, key)),
                next_step=question(key, known) or f"the settings are {', '.join(sorted(known))}",
            )

    def read(key: str, reader: Callable[[Json], _T], default: _T) -> _T:
        if key not in table:
            return default
        try:
            return reader(table[key])
        except ValueError as error:
            location = Location(path, line_of_setting(path, key))
            raise WorkspaceError(f"{key} of {name} must be {error}", location=location) from None

    none: tuple[str, ...] = ()
    targets = read("targets", read_patterns, none)
    if not targets:
        raise WorkspaceError(
            f"{name} names no targets",
            location=Location(path),
            next_step=f'write\n[{name}]\ntargets = ["//models:resnet"]\npackage = "acme.artifacts"',
        )
    return WheelPart(
        targets=targets,
        package=read("package", _read_package, ""),
        output_dir=read("output-dir", _read_text, ""),
        verify=read("verify", _read_flag, False),
        rebuild=read("rebuild", _read_flag, False),
        backend=read("backend", _read_text, ""),
    )


def _part(table: Json, name: str, path: str) -> WheelPart:
    if not isinstance(table, dict):
        raise WorkspaceError(
            f"tool.hermpkg.{name} is a table, not {table!r}",
            location=Location(path, line_of_setting(path, name)),
            next_step=f"write [tool.hermpkg.{name}]",
        )
    return read_wheel_part(table, f"tool.hermpkg.{name}", path)


def read_patterns(value: Json) -> tuple[str, ...]:
    """Read target patterns, of which a text can have several. Raises ValueError.

    >>> read_patterns("//a:b, :c"), read_patterns(["//a:b"])
    (('//a:b', ':c'), ('//a:b',))
    """
    if isinstance(value, str):
        return tuple(pattern for pattern in re.split(r"[\s,]+", value) if pattern)
    if isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value):
        return tuple(str(each).strip() for each in value)
    raise ValueError('a list of target patterns, such as ["//models:resnet"]')


def _read_package(value: Json) -> str:
    if isinstance(value, str) and all(value.split(".")) and not re.search(r"[/\\\s\0]", value):
        return value
    raise ValueError('the dotted name of a package, such as "acme.artifacts"')


def _read_text(value: Json) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("a text")


def _read_flag(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")
