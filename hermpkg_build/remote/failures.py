"""How remote servers fail: in one attempt, and for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hermpkg_build.errors import HermpkgError, LocalEnvironmentError

FailureKind: TypeAlias = Literal["unavailable", "denied", "full", "protocol"]
"""``unavailable``: no answer, or not in time, after all retries; ``denied``: wrong or missing credentials, or
a certificate that is not trusted; ``full``: the server stores no more; ``protocol``: the server, or the
proxy before it, does not follow the protocol."""

CHECK_CREDENTIALS = "check the credentials: --remote-header, --remote-token-file or --credential-helper"
CHECK_CERTIFICATES = "check --remote-ca, --remote-client-certificate and --remote-client-key"
CHECK_SERVER = "check that the server runs, and the scheme, host and port of its address"
"""Next steps, whatever the protocol. They name options, which win over the settings of the same names."""


class RemoteError(LocalEnvironmentError):
    """A remote server could not do what it was asked; retrying has been tried where it makes sense.

    `summary` says what could not be done, `server` is its URL without credentials, `reason` why in the
    server's or the system's words, `next_step` what a user can do about it.
    """

    def __init__(
        self, kind: FailureKind, summary: str, *, server: str, reason: str = "", next_step: str = ""
    ) -> None:
        facts = [("server", server), *([("reason", reason)] if reason else [])]
        super().__init__(summary, facts=facts, next_step=next_step)
        self.kind: FailureKind = kind
        self.server = server
        self.reason = reason


@dataclass(eq=False)
class AttemptFailedError(Exception):
    """One attempt at asking a server failed; once that is final, `remote_error` tells of it.

    `passing` says whether another attempt can help, which is not to come before `retry_after_s`. The
    server has `refused` the credentials that were `sent`, None where it is not known which; its `challenge`
    says what it wants instead, in the words of HTTP.
    """

    kind: FailureKind
    reason: str
    next_step: str
    passing: bool = False
    retry_after_s: float = 0.0
    refused: bool = False
    sent: Mapping[str, str] | None = None
    challenge: str = ""

    def __str__(self) -> str:
        return self.reason

    def remote_error(self, doing: str, *, server: str) -> RemoteError:
        """What to tell of it; `doing` completes the sentence "cannot ..."."""
        return RemoteError(
            self.kind, f"cannot {doing}", server=server, reason=self.reason, next_step=self.next_step
        )


def warning(error: HermpkgError, consequence: str) -> str:
    """What to tell of an error that the build goes on after; `consequence` says how."""
    told = HermpkgError(f"{error.summary}; {consequence}", facts=error.facts, next_step=error.next_step)
    return told.render()


def unusable_certificate(path: str, reason: str, *, server: str) -> RemoteError:
    """The error for a file with a certificate or key that cannot be used."""
    return RemoteError(
        "denied",
        "cannot use a certificate or key",
        server=server,
        reason=f"{path}: {reason}",
        next_step=f"{CHECK_CERTIFICATES}; all are PEM files",
    )
