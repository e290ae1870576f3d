"""The error of a signature that does not show what it should, with the kind of fault as a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from hermpkg_build.errors import ExitCode, HermpkgError, LocalEnvironmentError
from hermpkg_build.installation import with_extra

Fault: TypeAlias = Literal[
    "missing", "malformed", "other statement", "other signer", "not valid", "expired", "other content", "link"
]
"""``malformed``: no signature, or cut; ``other statement``: it signs another kind of thing than asked for;
``not valid``: the signature does not fit what it signs; ``other content``: other bytes were signed."""


class SignatureError(HermpkgError):
    """A signature is missing, not valid, of somebody else, or of something else; `fault` says which."""

    exit_code = ExitCode.TESTS_FAILED

    def __init__(
        self,
        summary: str,
        *,
        fault: Fault,
        facts: Sequence[tuple[str, str]] = (),
        next_step: str = "",
    ) -> None:
        super().__init__(summary, facts=facts, next_step=next_step)
        self.fault: Fault = fault

    def in_file(self, path: str) -> SignatureError:
        """The same error, with the name of the signature's file first among its facts."""
        facts = [("signature", path), *self.facts]
        return SignatureError(self.summary, fault=self.fault, facts=facts, next_step=self.next_step)


def missing_extra(error: ImportError) -> LocalEnvironmentError:
    """Return the error for a library of the extra `sign` that is not installed."""
    return LocalEnvironmentError(
        "the extra `sign` is not installed",
        facts=[("missing", error.name or str(error))],
        next_step=with_extra("sign"),
    )
