"""Opens artifacts to hold them to policies, without an importer: nothing of them is loaded."""

from __future__ import annotations

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.archives import open_archive, read_externs
from hermpkg_build.runtime.contents.checks import read_manifest
from hermpkg_build.trust.errors import Refusal
from hermpkg_build.trust.gate import Gate, GivenPolicy, open_gate
from hermpkg_build.trust.needs import needs_of
from hermpkg_build.trust.policy import TrustPolicy, TrustRule
from hermpkg_build.trust.smallest import SmallestRule, smallest_rule

_ANY_FILE = TrustPolicy(rules=[TrustRule(sha256="0" * 64)])
"""A policy that only serves to have the file read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What policies say of an artifact: the reasons against it, none where it is accepted.

    `policies` are the files, or rules in them, that decided; `sha256` is "" where they ask for no digest.
    """

    refusals: tuple[Refusal, ...]
    policies: tuple[str, ...]
    sha256: str


def ask_policies(path: str, policy: GivenPolicy) -> PolicyAnswer:
    """Hold the artifact at `path` to a policy, and to those of this process, as an importer would.

    Raises TrustPolicyError, ArchiveError, and TrustError for what cannot be held to any policy.
    """
    gate = open_gate(path, policy)
    assert gate is not None
    with _opened(gate) as archive:
        refusals = gate.refusals(archive, read_externs(archive))
    return PolicyAnswer(refusals=refusals, policies=gate.origins, sha256=gate.sha256)


def smallest_policy(path: str, *, any_digest: bool = False) -> SmallestRule:
    """Make the smallest rule that accepts the artifact at `path`. Raises ArchiveError, TrustError."""
    gate = Gate(path, [_ANY_FILE])
    with _opened(gate) as archive:
        needs = needs_of(archive, read_externs(archive))
        try:
            manifest = read_manifest(archive)
        except ArchiveError:
            manifest = None
        requires = manifest.required_versions() if manifest is not None else {}
    sha256 = "" if any_digest else gate.sha256
    return smallest_rule(needs, artifact=gate.name, sha256=sha256, requires=requires)


def _opened(gate: Gate) -> ArchiveReader:
    archive = open_archive(gate.source)
    assert isinstance(archive, ArchiveReader)  # The gate gives nothing else to open.
    return archive
