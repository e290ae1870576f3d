"""Finds the login for a registry where docker keeps it: in its configuration or its helpers."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.files import read_limited
from hermpkg_build.remote.credential_helper import HelperFailedError, how_it_ended, run_helper
from hermpkg_build.remote.failures import RemoteError

_LARGEST = 4 << 20
_HELPER_S = 60.0
_TOKEN_USER = "<token>"  # noqa: S105 - how helpers say that they give a token
_HUB = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks a registry: a user with a password, or an identity token, else a token of the registry's own.

    `origin` is the file or program that it comes from.
    """

    origin: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


def find_login(host: str, repository: str, environ: Mapping[str, str]) -> Login | None:
    """Find the login for a repository of a registry; None where nobody logged in there.

    Looks into docker's ``config.json``, then the files of podman and skopeo, each by its own rules: a helper
    for the host, a store of all credentials, what the file itself holds.
    Raises RemoteError where a file or a helper that is named there cannot be used.
    """
    for path in _files(environ):
        config = _read(path, host)
        if config is not None and (login := _login_in(config, path, host, repository)):
            return login
    return None


def _files(environ: Mapping[str, str]) -> Iterator[str]:
    home = environ.get("HOME") or os.path.expanduser("~")
    if chosen := environ.get("REGISTRY_AUTH_FILE"):
        yield chosen
    yield os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(runtime, "containers", "auth.json")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    yield os.path.join(config, "containers", "auth.json")


def _read(path: str, host: str) -> Mapping[str, Any] | None:
    try:
        config = json.loads(read_limited(path, _LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, host, error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        # The text of the error quotes nothing of the file.
        raise _unusable(path, host, f"it is not JSON ({type(error).__name__})") from None
    if not isinstance(config, dict):
        raise _unusable(path, host, "it is not a JSON object")
    return config


def _login_in(config: Mapping[str, Any], path: str, host: str, repository: str) -> Login | None:
    keys = _keys(host, repository)
    helpers = _table(config, "credHelpers", path, host)
    for key in keys:
        if isinstance(name := helpers.get(key), str):
            return _ask(name, key, host)
    if isinstance(name := config.get("credsStore"), str) and name:
        servers = _HUB[:1] if host in _HUB else (host,)
        if found := next(filter(None, (_ask(name, server, host) for server in servers)), None):
            return found
    entries = _table(config, "auths", path, host)
    for key in keys:
        if isinstance(entry := entries.get(key), dict) and (login := _login_of(entry, path, host)):
            return login
    return None


def _keys(host: str, repository: str) -> list[str]:
    """The names that an entry may have, the narrowest first."""
    parts = repository.split("/")
    names = [f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1)]
    old = [f"{scheme}://{host}{path}" for scheme in ("https", "http") for path in ("", "/", "/v1/", "/v2/")]
    return [*names, *(_HUB if host in _HUB else (host, *old))]


def _table(config: Mapping[str, Any], name: str, path: str, host: str) -> Mapping[str, Any]:
    table = config.get(name) or {}
    if not isinstance(table, dict):
        raise _unusable(path, host, f"{name} is not an object")
    return table


def _login_of(entry: Mapping[str, Any], path: str, host: str) -> Login | None:
    given = {
        name: text
        for name in ("auth", "username", "password", "identitytoken", "registrytoken")
        if isinstance(text := entry.get(name), str) and text
    }
    user, password = given.get("username", ""), given.get("password", "")
    if "auth" in given:
        try:
            user, colon, password = base64.b64decode(given["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise _unusable(
                path, host, f"the entry of {host} has an auth that is not USER:PASSWORD in base64"
            )
    if not given:
        return None
    return Login(
        origin=path,
        user=user,
        password=password.rstrip("\0"),
        identity_token=given.get("identitytoken", ""),
        registry_token=given.get("registrytoken", ""),
    )


def _ask(name: str, server: str, host: str) -> Login | None:
    """Ask the helper that a configuration names; None where it has nothing for the server."""
    program = f"docker-credential-{name}"
    try:
        if "/" in name or "\0" in name:
            raise HelperFailedError("the name of a helper has no slash")
        said, complaint, code = run_helper(program, server.encode(), timeout_s=_HELPER_S)
        if code and "credentials not found" in f"{said.decode(errors='replace')} {complaint}":
            return None
        if code:
            raise HelperFailedError(how_it_ended(code, complaint))
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError):
            raise HelperFailedError("its answer is not JSON") from None
        user, secret = (
            (answer.get(key) if isinstance(answer, dict) else None) for key in ("Username", "Secret")
        )
        if not isinstance(user, str) or not isinstance(secret, str):
            raise HelperFailedError("its answer has no Username and Secret")
    except HelperFailedError as error:
        raise RemoteError(
            "denied",
            f"the credential helper {program} gave no credentials",
            server=server,
            reason=str(error),
            next_step=f"try it by hand: echo {server} | {program} get; or log in again: docker login {host}",
        ) from None
    if user == _TOKEN_USER:
        return Login(origin=program, identity_token=secret)
    return Login(origin=program, user=user, password=secret) if user or secret else None


def _unusable(path: str, host: str, reason: str) -> RemoteError:
    return RemoteError(
        "denied",
        "cannot read who logs in at registries",
        server=host,
        reason=f"{path}: {reason}",
        next_step=f"mend the file, or write it anew: docker login {host}",
    )
