"""Reads the user's own settings, which hold in every workspace that does not decide otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hermpkg_build.core.preferences import PREFERENCES
from hermpkg_build.core.spelling import question
from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.core.user_file import VARIABLE, user_settings_path
from hermpkg_build.disk.files import read_limited
from hermpkg_build.errors import CommandLineError, Location

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json


def user_settings(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the values of the settings that the user's file has, by their names.

    A file that is not there has none; where ``HERMPKG_CONFIG`` names it, it must be. Raises CommandLineError
    for a file that cannot be read, a setting that does not exist, and a value that cannot be read.
    """
    path = user_settings_path(environ)
    try:
        text = read_limited(path)
    except (FileNotFoundError, NotADirectoryError):
        if not environ.get(VARIABLE):
            return {}
        raise CommandLineError(f"{VARIABLE} names no file", facts=[("file", path)]) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandLineError(f"cannot read {path}", facts=[("reason", reason)]) from None
    return {key: _value(path, text, key, value) for key, value in _parsed(path, text).items()}


def _parsed(path: str, text: bytes) -> dict[str, Json]:
    try:
        parsed: dict[str, Json] = parse_toml(text)
    except ValueError as error:
        raise CommandLineError(f"not a TOML file: {error}", location=Location(path)) from None
    return parsed


def _value(path: str, text: bytes, key: str, value: Json) -> object:
    line = re.search(rb"^\s*[\"']?" + re.escape(key.encode()) + rb"[\"']?\s*=", text, re.MULTILINE)
    location = Location(path, text.count(b"\n", 0, line.end()) + 1 if line else 0)
    preference = PREFERENCES.get(key)
    if preference is None:
        meant = question(key.replace("_", "-"), PREFERENCES)
        raise CommandLineError(
            f"there is no setting {key!r} for users",
            location=location,
            next_step=meant
            or f"there are {', '.join(PREFERENCES)}; others stand in [tool.hermpkg] of a workspace",
        )
    try:
        return preference.read(value)
    except ValueError as error:
        raise CommandLineError(
            f"{key} is {error}, not {value!r}",
            location=location,
            next_step=f"write for example: {preference.example}",
        ) from None
