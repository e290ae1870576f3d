"""Reads where a build shares its work: from ``[tool.hermpkg]``, and from the command line, which wins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from hermpkg_build.engine.remote.setting_source import SettingSource
from hermpkg_build.engine.remote.urls import (
    CACHE_SCHEMES,
    EXECUTOR_SCHEMES,
    check_secrecy,
    read_url,
)
from hermpkg_build.remote.settings import RemoteSettings

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.loading.workspace import Workspace

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f]")

Fields: TypeAlias = "dict[str, Any]"
"""Some fields of `RemoteSettings` by name."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """How one setting is read: a field, what makes its value of TOML, and what makes TOML of options."""

    field: str
    read: Callable[[Json, SettingSource], object]
    of_texts: Callable[[Sequence[str], SettingSource], Json]


def settings_of_options(given: Mapping[str, tuple[str, ...]]) -> Fields:
    """The fields that options of the command line set. Raises CommandLineError for a wrong value."""
    fields: Fields = {}
    for name, setting in _SETTINGS.items():
        if name in given:
            source = SettingSource(name=name, base=os.getcwd(), file="")
            fields[setting.field] = setting.read(setting.of_texts(given[name], source), source)
    return fields


def remote_settings(workspace: Workspace, chosen: Fields) -> RemoteSettings:
    """The settings of `workspace`, with the fields `chosen` on the command line in their place.

    Headers and platform properties of both are taken together. An executor is the cache too where none is
    named. Raises WorkspaceError for a setting that is wrong, CommandLineError where what was chosen does
    not go together.
    """
    if _turned_off(workspace, chosen):
        return RemoteSettings(**chosen)
    fields: Fields = {}
    for name, setting in _SETTINGS.items():
        if setting.field in chosen and setting.field not in _ADDED:
            continue
        key = _IN_FILE.get(name, name)
        if key in workspace.settings:
            file = os.path.join(workspace.root, "pyproject.toml")
            source = SettingSource(name=key, base=workspace.root, file=file)
            fields[setting.field] = setting.read(workspace.settings[key], source)
    for field, value in chosen.items():
        fields[field] = _together(fields.get(field, ()), value) if field in _ADDED else value
    settings = RemoteSettings(**fields)
    if "cache" not in fields:
        settings = replace(settings, cache=settings.executor)
    check_secrecy(settings)
    return settings


def _turned_off(workspace: Workspace, chosen: Fields) -> bool:
    """Whether the command line wants no server: what the workspace has for one may then be lacking here."""
    executor = chosen.get("executor", workspace.settings.get("remote-executor", ""))
    return chosen.get("cache") == "" and executor == ""


def _together(
    configured: tuple[tuple[str, str], ...], chosen: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(configured), **dict(chosen)}.items())


def _text(value: Json, source: SettingSource) -> str:
    if not isinstance(value, str) or _CONTROL.search(value):
        raise source.wrong(f"is a text, not {value!r}")
    return value


def _switch(value: Json, source: SettingSource) -> bool:
    if not isinstance(value, bool):
        raise source.wrong(f"is true or false, not {value!r}")
    return value


def _seconds(value: Json, source: SettingSource) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise source.wrong(f"is a number of seconds above 0, not {value!r}")
    return float(value)


def _count(value: Json, source: SettingSource) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise source.wrong(f"is a whole number from 0, not {value!r}")
    return value


def _file(value: Json, source: SettingSource) -> str:
    text = _text(value, source)
    path = source.path(text) if text else ""
    if path and not os.path.isfile(path):
        raise source.wrong(f"names no file: {text}", facts=[("looked for", path)])
    return path


def _headers(value: Json, source: SettingSource) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(value, source)
    for name, _ in pairs:
        if not _HEADER_NAME.fullmatch(name):
            raise source.wrong(f"cannot have a header called {name!r}")
    return tuple({name.lower(): text for name, text in pairs}.items())


def _pairs(value: Json, source: SettingSource) -> tuple[tuple[str, str], ...]:
    """Names and texts; an error names none of these, for they can be secrets."""
    if not isinstance(value, Mapping) or "" in value:
        raise source.wrong("is a table of names and texts")
    for name, text in value.items():
        if not isinstance(text, str) or _CONTROL.search(name + text):
            raise source.wrong(f"is a table of names and texts: what {name!r} has is none")
    return tuple(cast("Mapping[str, str]", value).items())


def _helpers(value: Json, source: SettingSource) -> tuple[tuple[str, str], ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, Sequence):
        raise source.wrong(f"is a program, or a list of them, not {value!r}")
    return tuple(_helper(_text(entry, source), source) for entry in entries if entry != "")


def _helper(text: str, source: SettingSource) -> tuple[str, str]:
    """A program and the host it is for, "" for every one."""
    import shutil

    host, equals, program = text.partition("=")
    if not equals or "/" in host:
        host, program = "", text
    where = source.path(program) if "/" in program else program
    if shutil.which(where) is None:
        raise source.wrong(
            f"names no program: {program or text}",
            facts=[("looked for", where if "/" in where else f"{where} on PATH")],
        )
    return host.lower(), where


def _last(texts: Sequence[str], _: SettingSource) -> Json:
    return texts[-1]


def _all(texts: Sequence[str], _: SettingSource) -> Json:
    return list(texts)


def _on(texts: Sequence[str], _: SettingSource) -> Json:
    return texts[-1] == "on"


def _number(texts: Sequence[str], source: SettingSource) -> Json:
    try:
        number = float(texts[-1])
    except ValueError:
        raise source.wrong(f"is a number, not {texts[-1]!r}") from None
    return int(number) if number.is_integer() else number


def _table(texts: Sequence[str], source: SettingSource) -> Json:
    table = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            # What it is instead is not shown: it can be a secret that was put another way.
            raise source.wrong('is NAME=VALUE, and this has no name, or no "="')
        table[name.strip()] = value
    return table


def _cache_url(value: Json, source: SettingSource) -> str:
    return read_url(_text(value, source), CACHE_SCHEMES, source)


def _executor_url(value: Json, source: SettingSource) -> str:
    return read_url(_text(value, source), EXECUTOR_SCHEMES, source)


_SETTINGS: Mapping[str, _Setting] = {
    "remote-cache": _Setting("cache", _cache_url, _last),
    "remote-executor": _Setting("executor", _executor_url, _last),
    "remote-instance": _Setting("instance", _text, _last),
    "remote-upload": _Setting("upload", _switch, _on),
    "remote-header": _Setting("headers", _headers, _table),
    "remote-token-file": _Setting("token_file", _file, _last),
    "credential-helper": _Setting("credential_helpers", _helpers, _all),
    "remote-ca": _Setting("ca_file", _file, _last),
    "remote-client-certificate": _Setting("client_certificate", _file, _last),
    "remote-client-key": _Setting("client_key", _file, _last),
    "remote-connect-timeout": _Setting("first_answer_s", _seconds, _number),
    "remote-timeout": _Setting("timeout_s", _seconds, _number),
    "remote-retries": _Setting("retries", _count, _number),
    "remote-compression": _Setting("compression", _switch, _on),
    "remote-fallback": _Setting("execution_fallback", _switch, _on),
    "remote-execution-timeout": _Setting("execution_timeout_s", _seconds, _number),
    "remote-platform": _Setting("platform", _pairs, _table),
    "remote-python": _Setting("python", _text, _last),
}
"""By the name of the option on the command line."""

_IN_FILE = {"remote-header": "remote-headers"}
"""Where a table holds what the command line says one at a time."""

_ADDED = ("headers", "platform")
