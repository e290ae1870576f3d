"""Reads where a build shares its work: from ``[tool.hermpkg]``, and from the command line, which wins."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from hermpkg_build.disk.trust import VARIABLE, is_trusted, is_within
from hermpkg_build.errors import CommandLineError, Location, WorkspaceError
from hermpkg_build.loading.workspace import Workspace, line_of_setting
from hermpkg_build.remote.addresses import without_secrets
from hermpkg_build.remote.credentials import check_secrecy
from hermpkg_build.remote.setting_forms import WrongValueError
from hermpkg_build.remote.settings import SETTINGS, RemoteSettings

Fields: TypeAlias = dict[str, Any]
"""Some fields of `RemoteSettings` by name."""


def settings_of_options(given: Mapping[str, tuple[str, ...]]) -> Fields:
    """The fields that options of the command line set. Raises CommandLineError for a wrong value."""
    chosen: Fields = {}
    for field, setting in SETTINGS.items():
        if setting.option in given:
            try:
                value = setting.form.of_words(given[setting.option])
                chosen[field] = setting.form.read(value, os.getcwd())
            except WrongValueError as error:
                raise CommandLineError(
                    f"--{setting.option} {error.summary}", facts=error.facts, next_step=error.next_step
                ) from None
    return chosen


def remote_settings(workspace: Workspace, chosen: Fields) -> RemoteSettings:
    """The settings of `workspace`, with the fields `chosen` on the command line in their place.

    Headers and platform properties of both are taken together. An executor is the cache too where none is
    named. Raises WorkspaceError for a setting that is wrong or asks for more than a workspace may have,
    CommandLineError where settings do not go together.
    """
    executor = chosen.get("executor", workspace.settings.get("remote-executor", ""))
    if chosen.get("cache") == "" and executor == "":
        # No server is wanted: what the workspace has for one may be lacking here.
        return RemoteSettings(**chosen)
    fields = _settings_of(workspace, without=[name for name in chosen if not SETTINGS[name].form.adds])
    own = dict(fields)
    for name, value in chosen.items():
        adds = SETTINGS[name].form.adds and name in fields
        fields[name] = tuple({**dict(fields[name]), **dict(value)}.items()) if adds else value
    settings = RemoteSettings(**{"cache": fields.get("executor", ""), **fields})
    check_secrecy(settings)
    _check_consent(workspace, own, settings.cache or settings.executor)
    return settings


def _check_consent(workspace: Workspace, own: Fields, server: str) -> None:
    """Raise WorkspaceError where a workspace would have the user's bytes sent, or one of its programs run.

    Who builds a stranger's code has not agreed to that: files outside of the workspace are the user's, and
    credentials are for the servers that the user means.
    """
    if not server or is_trusted(workspace.root):
        return
    root = os.path.realpath(workspace.root)
    for name in ("token_file", "client_certificate", "client_key", "credential_helpers"):
        if not (value := own.get(name)):
            continue
        if name == "credential_helpers":
            what, facts = "a program", [("program", program) for _, program in value]
        elif not is_within(os.path.realpath(value), root):
            what, facts = "a file outside of the workspace", [("file", value)]
        else:
            continue
        setting, path = SETTINGS[name], os.path.join(workspace.root, "pyproject.toml")
        raise WorkspaceError(
            f"{setting.key} names {what}, which is not used because a workspace says so",
            location=Location(path, line_of_setting(path, setting.key)),
            facts=[*facts, ("server", without_secrets(server))],
            next_step=f"where you want it, give it yourself: --{setting.option} {setting.form.placeholder}\n"
            f"or trust this workspace in all that it says: {VARIABLE}={workspace.root}",
        )


def _settings_of(workspace: Workspace, *, without: Collection[str]) -> Fields:
    """The fields that ``[tool.hermpkg]`` sets, except for those in `without`, which are not even read."""
    path = os.path.join(workspace.root, "pyproject.toml")
    fields: Fields = {}
    for field, setting in SETTINGS.items():
        if setting.key in workspace.settings and field not in without:
            try:
                fields[field] = setting.form.read(workspace.settings[setting.key], workspace.root)
            except WrongValueError as error:
                raise WorkspaceError(
                    f"{setting.key} {error.summary}",
                    location=Location(path, line_of_setting(path, setting.key)),
                    facts=error.facts,
                    next_step=error.next_step,
                ) from None
    return fields
