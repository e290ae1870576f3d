"""One registry: where it is, how it is asked, and what its refusals mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import urllib3

from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.registry.authorization import RegistryCredentials
from hermpkg_build.registry.reference import Reference
from hermpkg_build.remote.addresses import is_loopback, without_secrets
from hermpkg_build.remote.credentials import CredentialSource
from hermpkg_build.remote.failures import (
    CHECK_CERTIFICATES,
    AttemptFailedError,
    FailureKind,
    RemoteError,
)
from hermpkg_build.remote.http.failures import PASSING, refusal
from hermpkg_build.remote.http.server import Body, HttpServer, is_same_server, target_of
from hermpkg_build.remote.settings import RemoteSettings

MOST_BYTES_OF_ANSWER = 4 << 20
"""Bytes of the largest manifest, list or token that is read: registries take no larger manifests."""

_SHOWN = 16 << 10
_LONGEST_MESSAGE = 300
_HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How registries are asked; `ca_file` is "" for what the machine trusts.

    With `insecure`, one that is not on this machine may be asked over plain HTTP, which others can read.
    """

    insecure: bool = False
    ca_file: str = ""
    timeout_s: float = 60.0
    retries: int = 5


class RegistryServer(HttpServer):
    """A registry, or the server that gives its tokens, at `url`. Raises RemoteError as HttpServer does."""

    def __init__(
        self, settings: RemoteSettings, url: str, credentials: CredentialSource, *, host: str
    ) -> None:
        self._host = host
        try:
            super().__init__(settings, url, credentials)
        except RemoteError as error:
            raise _without_options(error) from None

    def _check_refusal(
        self,
        response: urllib3.BaseHTTPResponse,
        method: str,  # noqa: ARG002
        where: str,
        sent: Mapping[str, str] | None,
    ) -> None:
        kind, step = _meaning(response.status, self._host)
        raise refusal(response, kind, f"{_words(response)} ({where})", step, sent)

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
        """See `HttpServer.exchange`; here absences are failures too, unless they are `expected`."""
        try:
            with super().exchange(method, path, headers=headers, body=body, expected=expected) as response:
                yield response
        except AttemptFailedError as error:
            if error.next_step == CHECK_CERTIFICATES:
                error.next_step = "name the file with the certificates to trust: --registry-ca FILE"
            raise


class _TokenServer(RegistryServer):
    """What gives tokens for a login that is in the body of the request, which no other server is to see."""

    def _check_redirect(self, url: str) -> None:
        if not is_same_server(url, self.name):
            raise AttemptFailedError(
                "protocol",
                f"it redirects to another server, which is to see no login: {without_secrets(url)}",
                next_step="check the configuration of the registry",
            )


def open_repository(reference: Reference, connection: Connection, scopes: Sequence[str]) -> RegistryServer:
    """Open the registry of a reference, for what `scopes` allow. Raises RemoteError.

    It is asked over TLS; plain HTTP is for this machine and for `insecure`, where it does not speak TLS.
    """
    settings = RemoteSettings(
        ca_file=connection.ca_file, timeout_s=connection.timeout_s, retries=connection.retries
    )
    host = "registry-1.docker.io" if reference.host == _HUB else reference.host
    plain = connection.insecure or is_loopback(urlsplit(f"//{host}").hostname or "")
    scheme = "http" if plain and not _speaks_tls(host, settings) else "https"
    url = f"{scheme}://{host}"

    def ask_for_token(realm: str, headers: Mapping[str, str], form: bytes | None) -> bytes:
        return _ask_token_server(settings, url, realm, headers, form, host=reference.host)

    credentials = RegistryCredentials(reference, scopes, ask_for_token)
    return RegistryServer(settings, url, credentials, host=reference.host)


def read_answer(response: urllib3.BaseHTTPResponse, limit: int = MOST_BYTES_OF_ANSWER) -> bytes:
    """Read a small answer. Raises AttemptFailedError for one that is larger, and what urllib3 does."""
    pieces, size = [], 0
    while piece := response.read1(limit, decode_content=False):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            response.close()
            raise AttemptFailedError(
                "protocol",
                f"its answer has more than {limit:,} bytes",
                next_step="check the reference, and what is stored there",
            )
    return b"".join(pieces)


class _Fixed:
    """Headers that do not change."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def refused(self, headers: Mapping[str, str] | None = None, challenge: str = "") -> bool:  # noqa: ARG002
        return False


def _speaks_tls(host: str, settings: RemoteSettings) -> bool:
    """Tell whether a registry that may be asked over plain HTTP wants TLS, without credentials."""
    probe = RegistryServer(replace(settings, retries=0), f"http://{host}", _Fixed({}), host=host)
    try:
        with probe.exchange("GET", "/v2/", expected=range(300, 600)) as response:
            # Go's servers answer plain HTTP on a port for TLS so, in plain HTTP.
            return response.status == HTTPStatus.BAD_REQUEST
    except AttemptFailedError as error:
        return error.kind == "protocol"
    finally:
        probe.close()


def _ask_token_server(
    settings: RemoteSettings,
    registry: str,
    realm: str,
    headers: Mapping[str, str],
    form: bytes | None,
    *,
    host: str,
) -> bytes:
    """Ask for a token where the registry says; not without TLS where the registry has it."""
    try:
        parts = urlsplit(target_of(f"{registry}/v2/", realm))
        kind = RegistryServer if form is None else _TokenServer
        server = kind(
            settings, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", _Fixed(headers), host=host
        )
    except AttemptFailedError as error:
        raise error.remote_error("log in at the registry", server=host) from None
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    more = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    more |= {} if form is None else {"Content-Length": str(len(form))}
    body = None if form is None else lambda: [form]

    def ask() -> bytes:
        method = "GET" if form is None else "POST"
        with server.exchange(method, path, headers=more, body=body) as response:
            return read_answer(response)

    try:
        return server.attempts("log in at the registry").of(ask)
    finally:
        server.close()


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """The status, and the messages of the registry."""
    try:
        page = response.read(_SHOWN, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        page = b""
    finally:
        response.close()
    try:
        phrase = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = f"status {response.status}"
    try:
        errors = json.loads(page)["errors"]
        told = [str(each.get("message") or each.get("code")) for each in errors]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        told = []
    return f"{phrase}: {', '.join(told)[:_LONGEST_MESSAGE]}" if told else phrase


def _meaning(status: int, host: str) -> tuple[FailureKind, str]:
    if status in (401, 403, 407):
        return "denied", f"log in as somebody who may do this: docker login {host}"
    if status in (404, 410):
        return "protocol", "check the names of repository and tag; registries hide what you may not see"
    if status in (413, 507):
        return "full", "have the registry take more or larger layers"
    if status in PASSING or status >= 500:
        return "unavailable", "try again later, or look into the log of the registry"
    return "protocol", "check that a registry is at this address, and its log"


def _without_options(error: RemoteError) -> RemoteError:
    """The same error, with the option of the commands that ask registries."""
    step = "name another file with --registry-ca" if "--remote-ca" in error.next_step else error.next_step
    return RemoteError(error.kind, error.summary, server=error.server, reason=error.reason, next_step=step)
