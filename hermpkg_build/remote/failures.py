"""The one error of remote servers, by what a build can do about it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hermpkg_build.errors import LocalEnvironmentError

FailureKind: TypeAlias = Literal["unavailable", "denied", "full", "protocol"]
"""``unavailable``: no answer, or not in time, after all retries; ``denied``: who asks may not (wrong or
missing credentials, a certificate that is not trusted); ``full``: the server takes no more;
``protocol``: its answer is none that the protocol knows."""

CHECK_CREDENTIALS = "check who asks: --remote-header, --remote-token-file or --credential-helper"
CHECK_CERTIFICATES = "check --remote-ca, --remote-client-certificate and --remote-client-key"
CHECK_SERVER = "check that the server runs, and that its address and scheme are these"
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
