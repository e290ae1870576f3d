"""Takes the URLs of remote servers apart, and shows them without secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.remote.failures import RemoteError

GRPC_SCHEMES = ("grpc", "grpcs")
HTTP_SCHEMES = ("http", "https")


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

    @property
    def speaks_grpc(self) -> bool:
        """Whether the server speaks gRPC, else HTTP."""
        return self.scheme in GRPC_SCHEMES

    @property
    def is_private(self) -> bool:
        """Whether nobody else can read what is sent there: over TLS, or on this machine."""
        return self.scheme in ("grpcs", "https") or is_loopback(self.host)

    def __str__(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_address(url: str, schemes: Sequence[str] = (*GRPC_SCHEMES, *HTTP_SCHEMES)) -> Address:
    """Take the URL of a server apart.

    Raises RemoteError for text that is not a URL, has a scheme beyond `schemes`, blanks, a query or a
    fragment, and for gRPC a path or a user. The error shows no secret of the URL.
    """
    try:
        parts = urlsplit(url)
        address = Address(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or 0,
            path=parts.path.rstrip("/"),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )
    except ValueError as error:
        # The error quotes the URL, and what it takes for the port can be a part of the password.
        raise _unusable(url, "it is not a URL" if "@" in url else str(error), _form(url, schemes)) from None
    problems = {
        f"its scheme is not {' or '.join(schemes)}": address.scheme not in schemes,
        "it names no host": not address.host,
        "it has blanks in it": re.search(r"[\s\0]", url),
        "it has a query or a fragment": parts.query or parts.fragment,
    }
    reason = next((text for text, found in problems.items() if found), "")
    if reason:
        raise _unusable(url, reason, _form(url, schemes))
    if address.speaks_grpc and address.path:
        instance = without_secrets(address.path).strip("/")
        step = f"where it is the name of the instance: --remote-instance {instance}"
        raise _unusable(url, "servers that speak gRPC have no path", step)
    if address.speaks_grpc and "@" in parts.netloc:
        step = "give a token with --remote-token-file FILE"
        raise _unusable(url, "servers that speak gRPC have no user in their URL", step)
    return address


def without_secrets(url: str) -> str:
    """A URL, or text in its place, to show: without user, password, query and fragment.

    Where only a guess can tell the password from the query, nothing but the scheme is left.

    >>> without_secrets("https://me:secret@cache.example.com/team?token=secret")
    'https://cache.example.com/team'
    """
    scheme = re.match(r"([a-zA-Z0-9+.-]*://)?", url)
    assert scheme is not None
    credentials, _, place = url[scheme.end() :].rpartition("@")
    return scheme[0] + ("…" if re.search(r"[?#]", credentials) else re.split(r"[?#]", place)[0])


def is_loopback(host: str) -> bool:
    """Whether a host is surely this machine, so that others cannot read what is sent there.

    A name that ends in ".localhost" is not: a name server decides where it leads.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _form(url: str, schemes: Sequence[str]) -> str:
    """How a URL is to be written instead."""
    form = f"write {' or '.join(f'{scheme}://HOST:PORT' for scheme in schemes)}"
    if "@" in url:
        form += "\nin a password, write all but letters and digits as %XX, their code in hexadecimal"
    return form


def _unusable(url: str, reason: str, next_step: str) -> RemoteError:
    return RemoteError(
        "protocol",
        "cannot use the address of a remote server",
        server=without_secrets(url),
        reason=reason,
        next_step=next_step,
    )
