"""Requests to one HTTP server, and where its redirects may lead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

import urllib3

from hermpkg_build.core.digest import Bytes
from hermpkg_build.remote.addresses import without_secrets
from hermpkg_build.remote.credentials import CredentialSource
from hermpkg_build.remote.failures import AttemptFailedError
from hermpkg_build.remote.http.connections import Connections
from hermpkg_build.remote.http.failures import ABSENT, of_answer, of_exception
from hermpkg_build.remote.server import RemoteServer
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.version import __version__

_REDIRECTS = 5
_MOVED = frozenset((301, 302, 307, 308))

_SETTLED = 64 << 10
"""Bytes of an answer that are read, though not needed, to keep the connection."""

Body: TypeAlias = Callable[[], Iterable[Bytes]]
"""Gives the body of a request, anew for each attempt."""


class HttpServer(RemoteServer):
    """The HTTP server at `url`, asked by any number of threads at once.

    `exchange` makes one attempt and raises AttemptFailedError; `attempts` says what comes after one.
    Raises RemoteError where the URL or a certificate cannot be used.
    """

    def __init__(
        self, settings: RemoteSettings, url: str, credentials: CredentialSource | None = None
    ) -> None:
        super().__init__(settings, url, credentials)
        self._connections = Connections(settings, server=self.name, closed=self.closed)

    @contextmanager
    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        expected: Iterable[int] = (),
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to one request, its body unread, if it is a success, an absence, or `expected`.

        `path` begins with a slash, or is a whole URL, which may lead to another server.
        Only reading the answer is to be done within: what fails there is a failure of the server.
        """
        url = self.name + path if path.startswith("/") else path
        where = f"{method} {without_secrets(url)}"
        try:
            with self._followed(method, url, headers or {}, body) as (response, sent):
                if response.status >= 300 and response.status not in expected:
                    self._check_refusal(response, method, where, sent)
                yield response
        # What a server writes into a header is no number, no date, or not UTF-8.
        except (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError) as error:
            raise of_exception(error, where) from error

    def put(self, path: str, size: int, body: Body, *, doing: str) -> None:
        """Send a body of `size` bytes, in as many attempts as it takes. Raises RemoteError."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}

        def send() -> None:
            with self.exchange("PUT", path, headers=headers, body=body):
                pass

        self.attempts(doing).of(send)

    def close(self) -> None:
        """Close the connections. Requests under way in other threads fail."""
        self._connections.close()

    def _check_refusal(
        self,
        response: urllib3.BaseHTTPResponse,
        method: str,
        where: str,
        sent: Mapping[str, str] | None,
    ) -> None:
        """Raise AttemptFailedError for an answer that is neither a success nor an absence."""
        if response.status not in ABSENT or method == "PUT":
            raise of_answer(response, where, writes=method == "PUT", sent=sent)

    def _check_redirect(self, url: str) -> None:
        """Raise AttemptFailedError where a request is not to be made at `url`, where a redirect leads."""

    @contextmanager
    def _followed(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> Iterator[tuple[urllib3.BaseHTTPResponse, Mapping[str, str] | None]]:
        """The answer at the end of all redirects, and the credentials that were sent for it.

        These, and all other configured headers, are for the server of the settings alone.
        """
        common = {"User-Agent": f"hermpkg/{__version__}", "Accept-Encoding": "identity"}
        for _ in range(_REDIRECTS + 1):
            sent = self.credentials.headers() if is_same_server(url, self.name) else None
            response = self._connections.request(
                method,
                url,
                headers={**common, **(sent or {}), **headers},
                timeout_s=self.first_answer.limit_of(self.timeout_s),
                body=body and body(),
            )
            self.first_answer.came()
            try:
                target = response.headers.get("Location", "") if response.status in _MOVED else ""
                if not target:
                    yield response, sent
            except BaseException:
                response.close()
                raise
            _settle(response)
            if not target:
                return
            url = target_of(url, target)
            self._check_redirect(url)
        raise AttemptFailedError(
            "protocol",
            f"it redirects more than {_REDIRECTS} times ({method} {without_secrets(url)})",
            next_step="check the address of the server, and its redirects",
        )


def target_of(url: str, location: str) -> str:
    """Where an answer to a request for `url` leads.

    Raises AttemptFailedError where that is not HTTP, or leaves encryption.
    """
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        target, fine = "", False
    if not fine or (url.startswith("https:") and not target.startswith("https:")):
        raise AttemptFailedError(
            "protocol",
            f"it redirects to an address that cannot be used: {without_secrets(location)}",
            next_step="check the address of the server, and its redirects",
        )
    return target


def is_same_server(url: str, other: str) -> bool:
    """Whether two URLs lead to the same server in the same way."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


def _settle(response: urllib3.BaseHTTPResponse) -> None:
    """Read the little that may be left, so that the connection can be used again; else close it."""
    left = _SETTLED
    try:
        while left > 0 and (piece := response.read(left, decode_content=False)):
            left -= len(piece)
    except (urllib3.exceptions.HTTPError, OSError):
        left = 0
    if left <= 0:
        response.close()
    response.release_conn()
