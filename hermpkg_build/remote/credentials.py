"""The headers that a server is asked with, from the settings, a token file or a credential helper."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from hermpkg_build.disk.files import read_limited
from hermpkg_build.errors import CommandLineError
from hermpkg_build.remote.addresses import Address, parse_address
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.settings import RemoteSettings

_SECRET_HEADER = re.compile(r"auth(?!or$)|cookie|credential|token|secret|passw|passphrase|key", re.IGNORECASE)

_KEPT_SECONDS = 30 * 60.0
"""How long headers of a helper are kept where it does not say: as long as Bazel keeps them."""

_LEAST_SECONDS = 60.0
"""How long they are kept at least. Where this machine's clock is ahead, every answer of a helper is already
old; it would be run for each request, though its headers are good."""

_LARGEST_TOKEN = 64 << 10
"""Bytes of the largest file that a token is read from."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_GRPC_NAME = re.compile(r"[0-9A-Za-z_.-]+")
_GRPC_VALUE = re.compile(r"[\x20-\x7e]*")
"""Narrower than those of HTTP: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md."""


def check_secrecy(settings: RemoteSettings) -> None:
    """Check that credentials only travel where others cannot read them, and that certificates have keys.

    Raises CommandLineError.
    """
    if bool(settings.client_certificate) != bool(settings.client_key):
        given, missing = "client-certificate", "client-key"
        if settings.client_key:
            given, missing = missing, given
        raise CommandLineError(
            f"--remote-{given} needs --remote-{missing} too", next_step=f"name its --remote-{missing} FILE"
        )
    for url in dict.fromkeys(filter(None, (settings.cache, settings.executor))):
        address = parse_address(url)
        secret = _secret_for(settings, address)
        if secret and not address.is_private:
            raise CommandLineError(
                "credentials are not sent over a connection that others can read",
                facts=[("server", str(address)), ("credentials", secret)],
                next_step=f"use {address.scheme}s://, or leave the credentials out",
            )


def _secret_for(settings: RemoteSettings, address: Address) -> str:
    """The secret that would be sent to the server, in words; "" for none."""
    if address.user or address.password:
        return "the user in its URL"
    if settings.token_file:
        return f"the token in {settings.token_file}"
    if program := _helper_of(settings, address):
        return f"those that {program} gives"
    return next((f"the header {name}" for name, _ in settings.headers if _SECRET_HEADER.search(name)), "")


def _helper_of(settings: RemoteSettings, address: Address) -> str | None:
    """The program that has credentials for a server."""
    if not settings.credential_helpers:
        return None
    from hermpkg_build.remote.credential_helper import helper_for

    return helper_for(address.host, settings.credential_helpers)


class CredentialSource(Protocol):
    """Gives the headers to ask one server with; for any number of threads at once."""

    def headers(self) -> Mapping[str, str]:
        """Headers by name. Raises RemoteError, of the kind "denied", where a source fails."""
        ...

    def refused(self, headers: Mapping[str, str] | None = None, challenge: str = "") -> bool:
        """Forget what a server refused; whether asking again can give anything else. Raises as `headers`."""
        ...


class Credentials:
    """The headers to ask the server at `url` with; for any number of threads at once.

    Of the same header the first source wins: the headers of the settings, the credential helper for the
    host, the token file as a bearer token, the user and password of the URL as basic authentication. The
    file is read and the helper run once for all threads, again when what the helper gave has expired, and
    again after `refused`.
    """

    def __init__(self, settings: RemoteSettings, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._address = parse_address(url)
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Mapping[str, str] | None = None
        self._good_until: float | None = None

    def headers(self) -> Mapping[str, str]:
        """Headers by name. Raises RemoteError, of the kind "denied", where a source fails."""
        with self._lock:
            if self._good_until is not None and self._clock() >= self._good_until:
                self._kept = None
            if self._kept is None:
                self._kept = self._collect()
            return self._kept

    def refused(self, headers: Mapping[str, str] | None = None, challenge: str = "") -> bool:  # noqa: ARG002
        """Forget what a server refused; whether asking again can give anything else.

        With the `headers` that were refused, newer ones that another thread has got since are kept.
        """
        with self._lock:
            if headers is None or headers is self._kept:
                self._kept = None
            return bool(self._settings.token_file or _helper_of(self._settings, self._address))

    def _collect(self) -> Mapping[str, str]:
        """The headers of all sources; of the same name the last one counts."""
        self._good_until = None
        by_name: dict[str, tuple[str, str]] = {}
        for name, value, source in self._sources():
            self._check(name, value, source)
            by_name[name.lower()] = (name, value)
        return dict(by_name.values())

    def _sources(self) -> Iterator[tuple[str, str, str]]:
        """Headers, each with where it comes from, in words."""
        if self._address.user or self._address.password:
            # In UTF-8: https://www.rfc-editor.org/rfc/rfc7617.
            basic = base64.b64encode(f"{self._address.user}:{self._address.password}".encode()).decode()
            yield "Authorization", f"Basic {basic}", "the URL"
        if self._settings.token_file:
            yield "Authorization", f"Bearer {self._read_token()}", self._settings.token_file
        if program := _helper_of(self._settings, self._address):
            yield from ((name, value, program) for name, value in self._ask(program).items())
        yield from ((name, value, "the configured headers") for name, value in self._settings.headers)

    def _check(self, name: str, value: str, source: str) -> None:
        """Raise RemoteError for an invalid header: a line's end in one could make a second one."""
        grpc = self._address.speaks_grpc
        # gRPC encodes the values of names that end in "-bin".
        values = _GRPC_VALUE if grpc and not name.lower().endswith("-bin") else _VALUE
        if not (_GRPC_NAME if grpc else _NAME).fullmatch(name) or not values.fullmatch(value):
            raise RemoteError(
                "denied",
                f"cannot send the header {name!r}",
                server=str(self._address),
                reason=f"{source} has characters in it that no header can have",
                next_step="a header is a name of ASCII letters, digits and hyphens, and a line of ASCII text",
            )

    def _ask(self, program: str) -> Mapping[str, str]:
        from hermpkg_build.remote.credential_helper import ask_helper

        answer = ask_helper(program, _helper_uri(self._address), timeout_s=self._settings.timeout_s)
        now = self._clock()
        expires = now + _KEPT_SECONDS if answer.expires is None else answer.expires
        self._good_until = max(expires, now + _LEAST_SECONDS)
        return answer.headers

    def _read_token(self) -> str:
        path = self._settings.token_file
        token, reason = "", "it is empty"
        try:
            token = read_limited(path, _LARGEST_TOKEN).decode().strip()
        except OSError as error:
            reason = error.strerror or str(error)
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text"
        if not token:
            raise RemoteError(
                "denied",
                f"the token file {path} gives no token",
                server=str(self._address),
                reason=reason,
                next_step="write the server's token into it, and nothing else",
            )
        return token


def _helper_uri(address: Address) -> str:
    """What a helper is asked for, as Bazel does: the URL, with ``https`` for servers that speak gRPC."""
    scheme = "https" if address.speaks_grpc else address.scheme
    return f"{scheme}://{address.authority}{address.path or '/'}"
