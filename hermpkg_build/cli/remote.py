"""The options for remote servers of the commands that build, and the servers that they name."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hermpkg_build.cli.arguments import Given, Option, option, option_group
from hermpkg_build.cli.command import CommonArguments
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.disk.consent import Answer
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.loading.remote_settings import Asked
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.remote.opening import Remote


def remote_option_table() -> tuple[Option, ...]:
    """Make an option for each setting of remote servers."""
    from hermpkg_build.remote.settings import SETTINGS

    return tuple(
        Option(
            names=(f"--{setting.option}",),
            value=setting.form.placeholder,
            default=setting.default,
            choices=setting.form.choices,
            may_be_empty=setting.form.may_be_empty,
            help=setting.help,
        )
        for setting in SETTINGS.values()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonArguments(CommonArguments):
    """The arguments of the commands that look for modules: also in which Python."""

    python: str = option(
        "--python PATH",
        "build in the Python at PATH, or of the environment there: its modules are found, it runs factories "
        "and tests; it need not have hermpkg installed (default: `$HERMPKG_PYTHON`, else hermpkg's own)",
        read=str,
        default=lambda: os.environ.get("HERMPKG_PYTHON", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineArguments(PythonArguments):
    """The arguments of the commands that build: also where work is shared."""

    remote: Given = option_group("options for remote servers", remote_option_table)


def build_in_chosen_python(arguments: PythonArguments) -> None:
    """Start this command again in the interpreter that was chosen, if it is another; before any output.

    Raises CommandLineError and LocalEnvironmentError where nothing can be built there.
    """
    if arguments.python:
        from hermpkg_build.cli.python_choice import go_on_in

        go_on_in(arguments.python)


def read_in_chosen_python(arguments: PythonArguments) -> None:
    """Start this command again in the chosen interpreter, as `build_in_chosen_python`, to build nothing."""
    if arguments.python:
        from hermpkg_build.cli.python_choice import TO_LOAD, go_on_in

        go_on_in(arguments.python, TO_LOAD)


def chosen_settings(given: Given) -> dict[str, Any]:
    """The fields of `RemoteSettings` that options set. Raises CommandLineError for a wrong value."""
    if not given:
        return {}
    from hermpkg_build.loading.remote_settings import settings_of_options

    return settings_of_options(given)


def remote_of(workspace: Workspace, chosen: dict[str, Any], tell: BuildObserver) -> Remote | None:
    """Open the servers of a build; None where none is configured, or the user has not agreed to it.

    Asks for the user's consent on a terminal, else says that it is needed. Raises WorkspaceError and
    CommandLineError for wrong settings, LocalEnvironmentError where a library is missing.
    """
    if not chosen and not _configures_servers(workspace):
        return None
    from hermpkg_build.loading.remote_settings import asked_of, remote_settings
    from hermpkg_build.remote.opening import open_remote

    asked = asked_of(workspace, chosen)
    if asked is not None:
        answer = asked.answer or _ask(asked)
        if answer == "" and asked.sends_only:
            tell.warning(needs_consent(asked))
        if answer == "denied" or (answer == "" and asked.sends_only):
            # What options name is used all the same.
            chosen = {**asked.no_servers, **chosen}
    return open_remote(remote_settings(workspace, chosen))


def needs_consent(asked: Asked) -> str:
    """Say that what a workspace names is not used before its user agrees."""
    names = " and ".join(value for _, value in asked.facts)
    return (
        f"{asked.location}: work is not shared with {names}, because only the settings of this workspace "
        "say so\nto agree until they change: hermpkg allow\nto build without: hermpkg allow --deny"
    )


def _ask(asked: Asked) -> Answer:
    """Ask on the terminal whether what a workspace names may be used; keep the answer; "" if it is none."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return ""
    from hermpkg_build.disk.consent import keep_answer
    from hermpkg_build.printable import one_line

    lines = [f"{asked.location}: this workspace would send to servers, or run:"]
    lines += [f"  {key:26} {value}" for key, value in asked.facts]
    lines.append("Allow that until it changes? [y/N] ")
    print(*map(one_line, lines), sep="\n", end="", file=sys.stderr, flush=True)
    answer: Answer = "allowed" if sys.stdin.readline().strip().lower() in ("y", "yes") else "denied"
    with suppress(OSError):
        keep_answer(asked.workspace.root, asked.digest, answer, os.environ)
    return answer


def servers_of(workspace: Workspace) -> tuple[str, str, HermpkgError | None]:
    """The URLs of the cache and the executor that a workspace names, and the error in its settings.

    The URLs are without secrets, "" for none; where settings are wrong they are as they were written.
    """
    if not _configures_servers(workspace):
        return "", "", None
    from hermpkg_build.loading.remote_settings import remote_settings
    from hermpkg_build.remote.addresses import without_secrets

    try:
        settings, problem = remote_settings(workspace, {}), None
        cache, executor = settings.cache, settings.executor
    except HermpkgError as error:
        problem = error
        cache, executor = (
            str(workspace.settings.get(name, "")) for name in ("remote-cache", "remote-executor")
        )
    return without_secrets(cache), without_secrets(executor), problem


def consent_to(workspace: Workspace) -> str | None:
    """What the user says to the servers that a workspace names: allowed, denied, needed; None if not asked.

    Raises WorkspaceError for wrong settings.
    """
    if not _configures_servers(workspace):
        return None
    from hermpkg_build.loading.remote_settings import asked_of

    asked = asked_of(workspace, {})
    return (asked.answer or "needed") if asked is not None else None


def _configures_servers(workspace: Workspace) -> bool:
    if not workspace.settings:
        return False
    from hermpkg_build.remote.settings import SETTINGS

    return any(setting.key in workspace.settings for setting in SETTINGS.values())
