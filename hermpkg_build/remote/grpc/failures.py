"""What a gRPC call that failed means: whether to try again, and what to tell the user if that is in vain."""

from __future__ import annotations

from hermpkg_build.remote.failures import (
    CHECK_CERTIFICATES,
    CHECK_CREDENTIALS,
    CHECK_SERVER,
    FailureKind,
    RemoteError,
)

OK = 0
ALREADY_EXISTS = 6

_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""gRPC's status codes in their order, as ``google.rpc.Status`` numbers them."""

PASSING = frozenset(
    ("ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN")
)
"""What can be otherwise a moment later. A server that is cut off in a sentence is INTERNAL to gRPC, one
that fails without a word UNKNOWN, one that goes down can be CANCELLED."""

UNHEARD = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"))
"""What gRPC itself says where no server has answered; of others it says so too."""

REFUSED = frozenset(("PERMISSION_DENIED", "UNAUTHENTICATED"))

LOST = frozenset(("DATA_LOSS", "NOT_FOUND"))
"""What a server says of a blob that it does not have, or no longer has whole."""

_SHOWN = 500
"""Characters of a server's words that are worth showing: some send a page, or the calls of their code."""

_UNTRUSTED = (
    "CERTIFICATE_",
    "_ALERT_",
    "Peer name",
    "Hostname Verification Check failed",
    # The client's own certificate and key do not belong together.
    "Failed to create security handshaker",
)
_NO_SPACE = ("No space left on device", "Disk quota exceeded", "OutOfSpace")


class CallFailedError(Exception):
    """One attempt at a call failed: the name of its gRPC status code, and the details that came with it."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details

    @classmethod
    def of_status(cls, code: int, details: str) -> CallFailedError:
        """The failure of one part of a batch, by its ``google.rpc.Status``."""
        return cls(_CODES[code] if 0 <= code < len(_CODES) else f"status {code}", details)

    @property
    def no_space(self) -> bool:
        """Whether the server's disk is full, as many say with INTERNAL and the words of their system."""
        return any(word in self.details for word in _NO_SPACE)

    @property
    def untrusted(self) -> bool:
        """Whether the two sides do not trust each other's certificates, which no retry changes.

        gRPC says so in the details alone, in its own words or with those of its TLS library.
        """
        return self.code == "UNAVAILABLE" and any(word in self.details for word in _UNTRUSTED)


def remote_error(error: CallFailedError, doing: str, *, server: str, writes: bool = False) -> RemoteError:
    """What to tell of a failure that is final; `writes` where the request was to keep something."""
    kind, next_step = _meaning(error, writes)
    details = error.details.strip()
    if len(details) > _SHOWN:
        details = f"{details[:_SHOWN]}…"
    reason = f"{details} ({error.code})" if details else error.code
    return RemoteError(kind, f"cannot {doing}", server=server, reason=reason, next_step=next_step)


def _meaning(error: CallFailedError, writes: bool) -> tuple[FailureKind, str]:
    if error.code in REFUSED:
        return "denied", CHECK_CREDENTIALS
    if error.untrusted:
        return "denied", CHECK_CERTIFICATES
    if writes and (error.code == "RESOURCE_EXHAUSTED" or error.no_space):
        return "full", "make room on the server, or build with --remote-upload off"
    if error.code in PASSING:
        return "unavailable", CHECK_SERVER
    if error.code == "UNIMPLEMENTED":
        return "protocol", "check that the server speaks the Remote Execution API at this address"
    return "protocol", "check --remote-instance, and the log of the server"
