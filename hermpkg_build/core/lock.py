"""The lock file: the artifacts that were last agreed on, one fact a line, so that diffs are easy to read."""

from __future__ import annotations

from collections.abc import Mapping

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.json_reading import OMITTED, from_json
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import WorkspaceError

LOCK_FILE = "hermpkg.lock"
"""The lock's name at the root of a workspace."""

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTarget:
    """One artifact: its SHA-256 in hexadecimal and its size.

    `externs` are the distributions that its extern modules come from, with the versions they had;
    `records` the SHA-256 of each record, so that a later difference can be told from the lock alone;
    `computed_on` what computed models may depend on besides, by the record of their pickle.
    """

    sha256: str
    bytes: int
    python_version: str
    externs: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, str] = field(default_factory=dict)
    computed_on: Mapping[str, str] = field(default_factory=dict, metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Artifacts by label, and the program that built them (``hermpkg 0.1.0``)."""

    tool: str
    targets: Mapping[str, LockedTarget]
    format: int = FORMAT

    @classmethod
    def from_bytes(cls, data: bytes) -> Lock:
        """The inverse of `lock_bytes`. Raises WorkspaceError."""
        try:
            lock = from_json(cls, loads(data))
            if lock.format != FORMAT:
                raise ValueError(f"its format is {lock.format}, not {FORMAT}")
        except (ValueError, RecursionError) as error:
            raise WorkspaceError(
                f"{LOCK_FILE} cannot be read",
                facts=[("reason", str(error))],
                next_step="write it anew with hermpkg lock, or use the version of hermpkg that wrote it",
            ) from None
        return lock
