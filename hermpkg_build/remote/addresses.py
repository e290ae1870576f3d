"""Addresses of remote servers: a URL taken apart, and what of it may be shown to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from hermpkg_build.remote.failures import RemoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is: `host` in lower case and without brackets, `port` 0 where the URL names none.

    `path` has no slash at its end. `user` and `password` are decoded, and no part of the text.
    """

    scheme: str
    host: str
    port: int = 0
    path: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authority(self) -> str:
        """Host and port as a URL has them: ``cache.example.com:8080``, ``[::1]``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    def __str__(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_address(url: str) -> Address:
    """Take a URL apart. Raises RemoteError where it is none, or has a query or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or 0
    except ValueError as error:
        raise _no_address(url, str(error)) from error
    if not parts.scheme or not parts.hostname:
        raise _no_address(url, "it has no scheme or no host")
    if parts.query or parts.fragment:
        raise _no_address(url, "it has a query or a fragment")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=parts.path.rstrip("/"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def without_secrets(url: str) -> str:
    """A URL for people to see: without user, password, query and fragment, each of which can be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that is no URL)"
    place = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, place, parts.path, "", "").geturl()


def is_loopback(host: str) -> bool:
    """Whether a host is surely this machine: what is sent there, nobody else can read.

    A name that ends in ".localhost" is not: where it leads is for the name server to say.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_address(url: str, reason: str) -> RemoteError:
    return RemoteError(
        "protocol",
        "The address of a remote server is not one that can be used",
        server=without_secrets(url),
        reason=reason,
        next_step="write scheme://host[:port][/path], as in https://cache.example.com/hermpkg",
    )
