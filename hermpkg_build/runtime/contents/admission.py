"""Opens artifacts that the policies accept, those that are given and those that the process has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.disk.trust import may_have_policies
from hermpkg_build.runtime.contents.archives import Archive, Source, check_exists, open_archive, read_externs

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import Gate, GivenPolicy


def admitted_archive(
    source: Source, trust: GivenPolicy | None, mapped: bool | None
) -> tuple[Archive, Gate | None]:
    """Open the archive at `source`, and return it with the gate for its pickles, if there is one.

    Raises TrustError where a policy does not accept it, ValueError where it cannot be `mapped` then, and what
    opening it raises.
    """
    gate = _gate(source, trust, mapped)
    archive = open_archive(source if gate is None else gate.source)
    if gate is not None:
        _decide(gate, archive)
    return archive, gate


def _gate(source: Source, trust: GivenPolicy | None, mapped: bool | None) -> Gate | None:
    """Make the gate where a policy is given, or the process has one; else load nothing of it."""
    if trust is None and not may_have_policies():
        return None
    from hermpkg_build.trust.gate import open_gate

    check_exists(source)
    gate = open_gate(source, trust)
    if gate is not None:
        gate.check_map(mapped)
    return gate


def _decide(gate: Gate, archive: Archive) -> None:
    """Raise TrustError where a policy does not accept the archive, which is closed then."""
    assert isinstance(archive, ArchiveReader)  # The gate gives nothing else to open.
    try:
        gate.decide(archive, read_externs(archive))
    except BaseException:
        archive.close()
        raise
