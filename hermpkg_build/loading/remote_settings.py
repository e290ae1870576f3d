"""Reads where a build shares its work: from ``[tool.hermpkg]``, and from the command line, which wins."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from hermpkg_build.core.digest import fingerprint
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.consent import Answer, answer_of
from hermpkg_build.disk.trust import VARIABLE, is_trusted, is_within
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.errors import CommandLineError, Location, WorkspaceError
from hermpkg_build.loading.workspace import Workspace, line_of_setting
from hermpkg_build.remote.addresses import without_secrets
from hermpkg_build.remote.credentials import check_secrecy
from hermpkg_build.remote.setting_forms import WrongValueError
from hermpkg_build.remote.settings import SETTINGS, RemoteSettings

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a workspace's settings would have sent, and run, which its user has to agree to.

    `facts` are the settings with what they name; `digest` is that of all of them, and of the workspace's own
    programs; `answer` is what the user has said. `sends_only` says that a build without them is right too.
    """

    workspace: Workspace
    facts: tuple[tuple[str, str], ...]
    digest: str
    answer: Answer
    sends_only: bool

    @property
    def location(self) -> Location:
        """Where the first of the settings stands."""
        path = os.path.join(self.workspace.root, "pyproject.toml")
        return Location(path, line_of_setting(path, self.facts[0][0]))

    @property
    def no_servers(self) -> Fields:
        """The fields that stand for none of the servers that the workspace names."""
        return {name: "" for name in ("cache", "executor") if SETTINGS[name].key in self.workspace.settings}


def asked_of(workspace: Workspace, chosen: Fields) -> Asked | None:
    """Return what is asked for a build with the fields `chosen` on the command line.

    None where no setting of the workspace would send anything or run a program, and where it is trusted as
    a whole. Raises WorkspaceError for wrong settings.
    """
    if chosen.get("cache") == "" and not chosen.get("executor", workspace.settings.get("remote-executor")):
        return None
    own = _settings_of(workspace, without=[name for name in chosen if not SETTINGS[name].form.adds])
    if is_trusted(workspace.root) or not any({**own, **chosen}.get(name) for name in ("cache", "executor")):
        return None
    servers = [(SETTINGS[name].key, own[name]) for name in ("cache", "executor") if own.get(name)]
    needs = [(SETTINGS[name].key, value) for name, _, value in _needs(workspace, own)]
    if not servers and not needs:
        return None
    digest = _digest(workspace)
    return Asked(
        workspace=workspace,
        facts=tuple((key, without_secrets(value)) for key, value in (*servers, *needs)),
        digest=digest,
        answer=answer_of(workspace.root, digest, os.environ),
        sends_only=not needs,
    )


def _check_consent(workspace: Workspace, own: Fields, server: str) -> None:
    """Raise WorkspaceError where a workspace would have the user's bytes sent, or one of its programs run.

    Who builds a stranger's code has not agreed to that: files outside of the workspace are the user's, and
    credentials are for the servers that the user means.
    """
    if not server or is_trusted(workspace.root):
        return
    for name, what, value in _needs(workspace, own):
        if answer_of(workspace.root, _digest(workspace), os.environ) == "allowed":
            return
        setting, path = SETTINGS[name], os.path.join(workspace.root, "pyproject.toml")
        raise WorkspaceError(
            f"{setting.key} names {what}, which is not used because a workspace says so",
            location=Location(path, line_of_setting(path, setting.key)),
            facts=[
                ("program" if name == "credential_helpers" else "file", value),
                ("server", without_secrets(server)),
            ],
            next_step="look at what it asks for, and agree to it until it changes: hermpkg allow\n"
            f"or give it yourself: --{setting.option} {setting.form.placeholder}\n"
            f"or trust this workspace in all that it says: {VARIABLE}={workspace.root}",
        )


def _needs(workspace: Workspace, own: Fields) -> Iterator[tuple[str, str, str]]:
    """The fields that name programs, or files outside of the workspace: with what that is, and its path."""
    root = os.path.realpath(workspace.root)
    for name in ("token_file", "client_certificate", "client_key", "credential_helpers"):
        value = own.get(name)
        if name == "credential_helpers":
            for _, program in value or ():
                yield name, "a program", program
        elif value and not is_within(os.path.realpath(value), root):
            yield name, "a file outside of the workspace", value


def _digest(workspace: Workspace) -> str:
    """The digest of all that is said of servers, and of the bytes of programs that lie in the workspace."""
    said: dict[str, Json] = {
        setting.key: workspace.settings[setting.key]
        for setting in SETTINGS.values()
        if setting.key in workspace.settings
    }
    import shutil

    root = os.path.realpath(workspace.root)
    programs: dict[str, Json] = {}
    with suppress(WorkspaceError):  # Options can have others in the place of programs that are missing.
        own = _settings_of(workspace, without=[name for name in SETTINGS if name != "credential_helpers"])
        for _, program in own.get("credential_helpers", ()):
            found = os.path.realpath(shutil.which(program) or program)
            if is_within(found, root):
                programs[program] = str(hash_file(found)[0])
    return fingerprint({"settings": said, "programs": programs}).hash


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
