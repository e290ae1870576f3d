"""What a failed HTTP request means: whether to try again, and what to tell the user otherwise."""

from __future__ import annotations

import html
import http
import http.client
import re
import ssl
from collections.abc import Mapping

import urllib3
from urllib3 import exceptions

from hermpkg_build.remote.failures import (
    CHECK_CERTIFICATES,
    CHECK_CREDENTIALS,
    CHECK_SERVER,
    AttemptFailedError,
    FailureKind,
)
from hermpkg_build.remote.http.connections import TooSlowError

ABSENT = frozenset((204, 404, 410))
"""Statuses for what a server does not have; some answer GET and HEAD with 204."""

PASSING = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses that another attempt can get past."""

_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})</title>", re.IGNORECASE)
_SHOWN = 4 << 10

_PROXY = "check http_proxy and https_proxy, or name the server in no_proxy"
_SPEAKS = "check that an HTTP cache is at this address, and the log of the server"
_ROOM = "have the server take more or larger files, or build with --remote-upload off"
_TAKES = "have the server take PUT requests here and make folders for them, or build with --remote-upload off"


def of_answer(
    response: urllib3.BaseHTTPResponse, where: str, *, writes: bool, sent: Mapping[str, str] | None
) -> AttemptFailedError:
    """The failure that an answer's status tells of; `where` is the request for people."""
    words = _words(response)
    kind, next_step = _meaning(response.status, words, writes=writes)
    return refusal(response, kind, f"{words} ({where})", next_step, sent)


def refusal(
    response: urllib3.BaseHTTPResponse,
    kind: FailureKind,
    reason: str,
    next_step: str,
    sent: Mapping[str, str] | None,
) -> AttemptFailedError:
    """The failure of an answer whose meaning is known; `sent` are the credentials that went along."""
    return AttemptFailedError(
        kind,
        reason,
        next_step=next_step,
        passing=response.status in PASSING,
        retry_after_s=retry_after_s(response),
        refused=sent is not None and response.status in (401, 403),
        sent=sent,
        challenge=response.headers.get("WWW-Authenticate", ""),
    )


def of_exception(error: Exception, where: str) -> AttemptFailedError:
    """The failure that an exception of urllib3, or of the system, tells of."""
    cause = _cause(error)
    at_proxy = isinstance(error, exceptions.ProxyError)
    reason = f"{'the proxy of the environment: ' if at_proxy else ''}{_told(cause)} ({where})"
    if isinstance(cause, ssl.SSLError) and _distrusts(cause):
        return AttemptFailedError("denied", reason, next_step=CHECK_CERTIFICATES)
    if _speaks_otherwise(cause):
        return AttemptFailedError("protocol", reason, next_step=CHECK_SERVER)
    step = _PROXY if at_proxy else CHECK_SERVER
    passing = not isinstance(cause, TooSlowError)
    return AttemptFailedError("unavailable", reason, next_step=step, passing=passing)


def _meaning(status: int, words: str, *, writes: bool) -> tuple[FailureKind, str]:
    if status in (401, 403, 407):
        return "denied", CHECK_CREDENTIALS
    if status == 400 and "certificate" in words:
        return "denied", CHECK_CERTIFICATES
    if status in (413, 507):
        return "full", _ROOM
    if writes and status == 500:
        # It answers, so that it may well go on to be read: a full disk looks like this too.
        return "full", "check the log of the server, and whether its disk is full"
    if status in PASSING or (status > 500 and status not in (501, 505)):
        return "unavailable", CHECK_SERVER
    return "protocol", _TAKES if writes and status in (404, 405, 409, 501) else _SPEAKS


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """The status and its words: servers tell more in the title of their page than in the status line."""
    try:
        page = response.read(_SHOWN, decode_content=False)
    except (exceptions.HTTPError, OSError):
        page = b""
    finally:
        response.close()
    found = _TITLE.search(page)
    title = " ".join(html.unescape(found[1].decode(errors="replace")).split()) if found else ""
    if title.startswith(str(response.status)) and title.isprintable():
        return title
    try:
        return f"{response.status} {http.HTTPStatus(response.status).phrase}"
    except ValueError:
        return f"status {response.status}"


def retry_after_s(response: urllib3.BaseHTTPResponse) -> float:
    """How many seconds an answer asks to be left alone for."""
    try:
        return max(0.0, urllib3.Retry().parse_retry_after(response.headers.get("Retry-After", "0")))
    except (exceptions.HTTPError, ValueError, OverflowError):
        return 0.0


def _cause(error: BaseException) -> BaseException:
    """The exception that urllib3 wrapped in others."""
    while isinstance(error, exceptions.HTTPError):
        inner = getattr(error, "original_error", None) or error.__cause__
        if inner is None:
            inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _told(cause: BaseException) -> str:
    if isinstance(cause, TimeoutError | exceptions.TimeoutError):
        return "it does not answer in time"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message or cause.reason}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason or cause}"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(cause, http.client.IncompleteRead | exceptions.IncompleteRead):
        return "it closed the connection in the middle of an answer"
    if isinstance(cause, http.client.BadStatusLine):
        return "its answer is not HTTP"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _distrusts(cause: ssl.SSLError) -> bool:
    """Whether one side does not trust the other's certificate, which no retry changes."""
    return isinstance(cause, ssl.SSLCertVerificationError) or "_ALERT_" in (cause.reason or "")


def _speaks_otherwise(cause: BaseException) -> bool:
    """Whether the other side does not speak HTTP, or not over TLS, or not so that it can be understood."""
    if isinstance(cause, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return False
    if isinstance(cause, ssl.SSLError):
        return cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
    return isinstance(cause, http.client.HTTPException | exceptions.LocationValueError | ValueError)
