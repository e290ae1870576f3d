"""What a failed gRPC call means: whether to try again, and what to tell the user otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from hermpkg_build.remote.failures import (
    CHECK_CERTIFICATES,
    CHECK_CREDENTIALS,
    CHECK_SERVER,
    AttemptFailedError,
    FailureKind,
)
from hermpkg_build.remote.grpc.library import grpc

OK = 0
ALREADY_EXISTS = 6

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
"""gRPC's status codes, as ``google.rpc.Status`` numbers them."""

PASSING = frozenset(
    ("ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN")
)
"""Codes of failures that another attempt can get past. A server that is cut off within an answer is INTERNAL
to gRPC, one that fails without a message UNKNOWN, one that goes down can be CANCELLED."""

UNHEARD = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"))
"""Codes that gRPC itself gives where no server has answered; a server can give them too."""

REFUSED = frozenset(("PERMISSION_DENIED", "UNAUTHENTICATED"))

LOST = frozenset(("DATA_LOSS", "NOT_FOUND"))
"""Codes for a blob that the server does not have, or no longer has whole."""

_SHOWN = 500
"""Characters of a server's message that are shown: some send a web page, or a traceback."""

_UNTRUSTED = (
    "CERTIFICATE_",
    "_ALERT_",
    "Peer name",
    "Hostname Verification Check failed",
    # The client's own certificate and key do not belong together.
    "Failed to create security handshaker",
)
"""How gRPC or its TLS library say that one side does not trust the other's certificate: in the details."""

_NO_SPACE = ("No space left on device", "Disk quota exceeded", "OutOfSpace")
"""How many servers say that their disk is full: with INTERNAL and the words of their system."""


class CallFailedError(AttemptFailedError):
    """One attempt at a call failed: the name of its gRPC status code, and the details that came with it.

    `writes` says that the call was to keep something on the server.
    """

    def __init__(
        self, code: str, details: str, *, writes: bool = False, sent: Mapping[str, str] | None = None
    ) -> None:
        kind, next_step, passing = _meaning(code, details, writes=writes)
        super().__init__(
            kind,
            _reason(code, details.strip()),
            next_step=next_step,
            passing=passing,
            refused=code in REFUSED,
            sent=sent,
        )
        self.code = code
        self.details = details

    @classmethod
    def of_status(cls, code: int, details: str, *, writes: bool = False) -> CallFailedError:
        """The failure of one part of a batch, by its ``google.rpc.Status``."""
        return cls(_CODES.get(code, f"status {code}"), details, writes=writes)


def not_understood(error: Exception) -> CallFailedError:
    """The failure of a call whose answer is no message."""
    return CallFailedError("INTERNAL", f"its answer cannot be read: {error}")


def _reason(code: str, details: str) -> str:
    shown = f"{details[:_SHOWN]}…" if len(details) > _SHOWN else details
    return f"{shown} ({code})" if shown else code


def _meaning(code: str, details: str, *, writes: bool) -> tuple[FailureKind, str, bool]:
    """The kind of a failure, what to do about it, and whether another attempt can help."""
    if code in REFUSED:
        return "denied", CHECK_CREDENTIALS, False
    if code == "UNAVAILABLE" and any(word in details for word in _UNTRUSTED):
        return "denied", CHECK_CERTIFICATES, False
    no_space = any(word in details for word in _NO_SPACE)
    if writes and (no_space or code == "RESOURCE_EXHAUSTED"):
        step = "make room on the server, or build with --remote-upload off"
        return "full", step, code in PASSING and not no_space
    if code in PASSING:
        return "unavailable", CHECK_SERVER, True
    if code == "UNIMPLEMENTED":
        return "protocol", "check that the server speaks the Remote Execution API at this address", False
    return "protocol", "check --remote-instance, and the log of the server", False
