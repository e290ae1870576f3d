"""Judges whether policies accept an artifact."""

from __future__ import annotations

from hermpkg_build.core.texts import aligned, counted
from hermpkg_build.inspection.policies import PolicyAnswer, ask_policies
from hermpkg_build.inspection.verify.verdicts import Verdict
from hermpkg_build.trust.errors import TrustError
from hermpkg_build.trust.policy import TrustPolicy


def hold_to_policy(path: str, subject: str, policy: TrustPolicy) -> Verdict:
    """Hold the artifact at `path` to `policy` and to those of the process, under the name `subject`.

    Raises TrustPolicyError, and ArchiveError for a file that is no artifact.
    """
    try:
        answer = ask_policies(path, policy)
    except TrustError as error:
        if not error.refusals:
            raise
        answer = PolicyAnswer(refusals=error.refusals, policies=(policy.origin,), sha256="")
    refusals = answer.refusals
    by = ", ".join(answer.policies)
    return Verdict(
        subject=subject,
        check="trust",
        summary=f"{counted(len(refusals), 'reason')} against it" if refusals else f"accepted by {by}",
        lines=tuple(aligned([(str(refusal.kind), refusal.text) for refusal in refusals])),
        facts={
            "sha256": answer.sha256,
            "policies": list(answer.policies),
            "refusals": [
                {
                    "kind": str(refusal.kind),
                    "name": refusal.name,
                    "reason": refusal.reason,
                    "places": list(refusal.places),
                    "count": refusal.count,
                    "policy": refusal.policy,
                }
                for refusal in refusals
            ],
        },
    )
