"""Leaves out of what a scan found what a trust policy accepts."""

from __future__ import annotations

import hashlib

from hermpkg_build.archive.archive_file import ArchiveFile
from hermpkg_build.dataclass import replace
from hermpkg_build.scanning.findings import Finding, Findings, Kind, Level
from hermpkg_build.scanning.pickle_calls import Deed
from hermpkg_build.trust.policy import COMPUTED, TrustPolicy, TrustRule


def without_accepted(found: Findings, path: str, file_name: str, policy: TrustPolicy) -> tuple[Findings, str]:
    """Leave out the findings in the file at `path` that the rule of `policy` for its name accepts.

    Also returns why nothing is accepted, "" where the rule is for the file: no rule has its name, or the one
    that has asks for another digest, or for a signature, which only `hermpkg verify --trust` looks at.
    """
    rule = policy.rule_for(file_name)
    if rule is None:
        return found, f"no rule is for {file_name}"
    if rule.sha256 and _sha256(path) not in rule.sha256:
        return found, f"the rule for {file_name} is for a file with another digest"
    if rule.signers:
        return found, f"the rule for {file_name} asks for a signature: hermpkg verify --trust looks at it"
    left = [each for each in found.findings if each.level is Level.NOTE or not accepts(rule, each)]
    return replace(found, findings=tuple(left)), ""


def accepts(rule: TrustRule, finding: Finding) -> bool:
    """Whether a rule allows what was found. What cannot be read, or is hidden, only ``allow-all`` allows."""
    if rule.allow_all:
        return True
    if finding.kind is Kind.PICKLE and finding.does != Deed.CHANGES:
        if not finding.name.startswith(f"{finding.module}."):
            return rule.allows_global(COMPUTED, "")
        return rule.allows_global(finding.module, finding.name[len(finding.module) + 1 :])
    if finding.kind in (Kind.CODE, Kind.NATIVE) and finding.capability is not None:
        return rule.allows_capability(finding.capability.word)
    return False


def _sha256(path: str) -> str:
    return hashlib.sha256(ArchiveFile(path).view).hexdigest()
