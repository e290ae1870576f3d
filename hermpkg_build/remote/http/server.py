"""One HTTP server: how it is asked, by whom, how patiently, and where its redirects may lead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3

from hermpkg_build.core.digest import Bytes
from hermpkg_build.remote.addresses import parse_address, without_secrets
from hermpkg_build.remote.credentials import Credentials
from hermpkg_build.remote.delays import delay_s
from hermpkg_build.remote.first_answer import FirstAnswer
from hermpkg_build.remote.http.connections import Connections
from hermpkg_build.remote.http.failures import ABSENT, HttpFailedError, of_answer, of_exception
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.version import __version__

_REDIRECTS = 5
_MOVED = frozenset((301, 302, 307, 308))

_SETTLED = 64 << 10
"""Bytes of an answer nobody needs that are worth reading to keep a connection."""

Body: TypeAlias = Callable[[], Iterable[Bytes]]
"""What is sent: asked for anew with each attempt."""

_T = TypeVar("_T")


class HttpServer:
    """The HTTP server at `url`, asked by any number of threads at once.

    `exchange` makes one attempt and raises HttpFailedError; `attempts` says what comes after one.
    Raises RemoteError where the URL or a certificate is no good.
    """

    def __init__(self, settings: RemoteSettings, url: str) -> None:
        self._base = parse_address(url)
        self.name = str(self._base)
        self.retries = settings.retries
        self.timeout_s = settings.timeout_s
        self.first_answer = FirstAnswer(settings.first_answer_s)
        self.credentials = Credentials(settings, url)
        self._connections = Connections(settings, server=self.name)

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

        Only reading the answer is to be done within: what fails there is a failure of the server.
        """
        where = f"{method} {without_secrets(self.name + path)}"
        try:
            with self._followed(method, self.name + path, headers or {}, body) as (response, sent):
                accepted = response.status < 300 or response.status in expected
                if not accepted and not (response.status in ABSENT and method != "PUT"):
                    raise of_answer(response, where, writes=method == "PUT", sent=sent)
                yield response
        except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            raise of_exception(error, where) from error

    def attempts(self, doing: str) -> Attempts:
        """The patience for one thing to do; `doing` completes the sentence "cannot ..."."""
        return Attempts(self, doing)

    def pause(self, seconds: float) -> bool:
        """Wait before another attempt; False where the connections were closed meanwhile."""
        return not self._connections.closed.wait(seconds)

    def close(self) -> None:
        """Hang up. Requests under way in other threads fail."""
        self._connections.close()

    @contextmanager
    def _followed(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> Iterator[tuple[urllib3.BaseHTTPResponse, Mapping[str, str] | None]]:
        """The answer at the end of all redirects, and the credentials that were sent for it.

        These, and all other configured headers, are for the server of the settings alone.
        """
        common = {"User-Agent": f"hermpkg/{__version__}", "Accept-Encoding": "identity"}
        for _ in range(_REDIRECTS + 1):
            sent = self.credentials.headers() if _origin(url) == _origin(self.name) else None
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
            url = _target(url, target)
        raise HttpFailedError(
            "protocol",
            f"it redirects more than {_REDIRECTS} times ({method} {without_secrets(url)})",
            next_step="check the address of the server, and its redirects",
        )


class Attempts:
    """How patient one thing to do is: with failures that pass, and once with credentials that are refused."""

    def __init__(self, server: HttpServer, doing: str) -> None:
        self._server = server
        self._doing = doing
        self._failures = 0
        self._refused = False

    def progressed(self) -> None:
        """Something was achieved: failures are counted anew."""
        self._failures = 0

    def of(self, once: Callable[[], _T]) -> _T:
        """What `once` gives, after as many attempts as it takes. Raises RemoteError."""
        while True:
            try:
                return once()
            except HttpFailedError as error:  # noqa: PERF203 - next to a request it costs nothing
                self.failed(error)

    def failed(self, error: HttpFailedError) -> None:
        """Wait until it is time to try again. Raises RemoteError where that is in vain."""
        if error.sent is not None and not self._refused:
            self._refused = True
            if self._server.credentials.refused(error.sent):
                return
        self._failures += 1
        final = not error.passing or self._failures > self._server.retries
        final = final or self._server.first_answer.overdue or error.retry_after_s > self._server.timeout_s
        wait_s = max(delay_s(self._failures), error.retry_after_s)
        if final or not self._server.pause(wait_s):
            raise error.remote_error(self._doing, server=self._server.name) from error


def _target(url: str, location: str) -> str:
    """Where a redirect leads, if one may follow it there: never out of encryption."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        target, fine = "", False
    if not fine or (url.startswith("https:") and not target.startswith("https:")):
        raise HttpFailedError(
            "protocol",
            f"it redirects to where one cannot follow: {without_secrets(location)}",
            next_step="check the address of the server, and its redirects",
        )
    return target


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
