"""The options of the commands that build which say where work is shared, and the servers they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermpkg_build.cli.arguments import Invocation, Option
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.remote.opening import Remote

_SWITCH = ("on", "off")

REMOTE_OPTIONS = (
    Option(
        names=("--remote-cache",),
        value="URL",
        may_be_empty=True,
        help='share work through the server at URL (grpc, grpcs, http, https); "" for none',
    ),
    Option(
        names=("--remote-executor",),
        value="URL",
        may_be_empty=True,
        help='run model actions on the server at URL (grpc, grpcs); "" for here',
    ),
    Option(
        names=("--remote-instance",),
        value="NAME",
        may_be_empty=True,
        help="the instance to use of the servers",
    ),
    Option(
        names=("--remote-upload",),
        value="WHEN",
        choices=_SWITCH,
        help="whether the shared cache gets what is built here: on or off",
    ),
    Option(names=("--remote-header",), value="NAME=VALUE", help="send a header along (repeatable)"),
    Option(
        names=("--remote-token-file",),
        value="FILE",
        may_be_empty=True,
        help="the file with the token to show servers",
    ),
    Option(
        names=("--credential-helper",),
        value="[HOST=]PROGRAM",
        may_be_empty=True,
        help="a program that has credentials, as for Bazel (repeatable)",
    ),
    Option(
        names=("--remote-ca",),
        value="FILE",
        may_be_empty=True,
        help="the certificates to trust, instead of the system's",
    ),
    Option(
        names=("--remote-client-certificate",),
        value="FILE",
        may_be_empty=True,
        help="the certificate to show servers",
    ),
    Option(names=("--remote-client-key",), value="FILE", may_be_empty=True, help="its private key"),
    Option(
        names=("--remote-connect-timeout",),
        value="SECONDS",
        help="how long to wait for a server's first answer (10)",
    ),
    Option(names=("--remote-timeout",), value="SECONDS", help="how long to wait for an answer (60)"),
    Option(names=("--remote-retries",), value="N", help="how often to try again (5)"),
    Option(
        names=("--remote-compression",),
        value="WHEN",
        choices=_SWITCH,
        help="whether contents travel compressed where the server can: on or off",
    ),
    Option(
        names=("--remote-fallback",),
        value="WHEN",
        choices=_SWITCH,
        help="whether model actions run here where the executor cannot: on or off",
    ),
    Option(
        names=("--remote-execution-timeout",),
        value="SECONDS",
        help="how long an action may take on the executor (3600)",
    ),
    Option(
        names=("--remote-platform",),
        value="NAME=VALUE",
        help="what the executor's workers must be (repeatable)",
    ),
    Option(
        names=("--remote-python",),
        value="PATH",
        may_be_empty=True,
        help="the interpreter there, where it is not at the path of this one",
    ),
)


def chosen_settings(invocation: Invocation) -> dict[str, Any]:
    """What the options say of servers, by field. Raises CommandLineError for a wrong value."""
    if not any(option.name in invocation.given for option in REMOTE_OPTIONS):
        return {}
    from hermpkg_build.engine.remote.settings import settings_of_options

    return settings_of_options(invocation.given)


def remote_of(workspace: Workspace, chosen: dict[str, Any]) -> Remote | None:
    """The servers of a build, None for none. Nothing heavy is imported where none is configured.

    Raises WorkspaceError and CommandLineError for wrong settings, LocalEnvironmentError where a library
    is missing.
    """
    if not chosen and not _configures_servers(workspace):
        return None
    from hermpkg_build.engine.remote.settings import remote_settings
    from hermpkg_build.remote.opening import open_remote

    return open_remote(remote_settings(workspace, chosen))


def servers_of(workspace: Workspace) -> tuple[str, str, HermpkgError | None]:
    """The URLs of the cache and the executor that a workspace names, and what is wrong with what it says.

    They are for people to see, "" for none; where something is wrong they are as they were written.
    """
    if not _configures_servers(workspace):
        return "", "", None
    from hermpkg_build.engine.remote.settings import remote_settings
    from hermpkg_build.engine.remote.urls import without_secrets

    try:
        settings = remote_settings(workspace, {})
    except HermpkgError as error:
        written = (str(workspace.settings.get(name, "")) for name in ("remote-cache", "remote-executor"))
        cache, executor = map(without_secrets, written)
        return cache, executor, error
    return without_secrets(settings.cache), without_secrets(settings.executor), None


def _configures_servers(workspace: Workspace) -> bool:
    from hermpkg_build.remote.settings import SETTING_NAMES

    return any(name in workspace.settings for name in SETTING_NAMES)
