"""The lock: what artifacts were when they were last agreed on, as a text made for reading differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermpkg_build.core.canonical_json import Json, loads, pretty
from hermpkg_build.errors import WorkspaceError

LOCK_FILE = "hermpkg.lock"
"""The lock's name at the root of a workspace."""

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTarget:
    """One artifact: its SHA-256 in hexadecimal and its size.

    `externs` are the distributions that its extern modules come from, with the versions they had;
    `records` the SHA-256 of each record, so that a later difference can be told from the lock alone.
    """

    sha256: str
    bytes: int
    python_version: str
    externs: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Artifacts by label, and the program that built them (``hermpkg 0.1.0``)."""

    tool: str
    targets: Mapping[str, LockedTarget]

    def to_bytes(self) -> bytes:
        """Sorted, a fact a line, and nothing of when or where: equal locks, equal bytes."""
        targets: Mapping[str, Json] = {
            label: {
                "sha256": target.sha256,
                "bytes": target.bytes,
                "python_version": target.python_version,
                "externs": dict(target.externs),
                "records": dict(target.records),
            }
            for label, target in self.targets.items()
        }
        return pretty({"format": FORMAT, "tool": self.tool, "targets": targets})

    @classmethod
    def from_bytes(cls, data: bytes) -> Lock:
        """The inverse of `to_bytes`. Raises WorkspaceError."""
        try:
            value = loads(data)
            if not isinstance(value, Mapping) or value["format"] != FORMAT:
                raise ValueError("another format")
            targets = _mapping(value["targets"])
            return cls(
                tool=_text(value["tool"]),
                targets={label: _target(_mapping(target)) for label, target in targets.items()},
            )
        except (ValueError, KeyError, RecursionError) as error:
            raise WorkspaceError(
                f"{LOCK_FILE} cannot be read",
                facts=[("reason", f"{type(error).__name__}: {error}")],
                next_step="write it anew with hermpkg lock, or use the version of hermpkg that wrote it",
            ) from None


def _target(value: Mapping[str, Json]) -> LockedTarget:
    size = value["bytes"]
    if not isinstance(size, int):
        raise ValueError("bytes is a number")
    return LockedTarget(
        sha256=_text(value["sha256"]),
        bytes=size,
        python_version=_text(value["python_version"]),
        externs=_texts(value["externs"]),
        records=_texts(value["records"]),
    )


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise ValueError(f"an object should be where {value!r} is")
    return value


def _texts(value: Json) -> dict[str, str]:
    return {name: _text(text) for name, text in _mapping(value).items()}


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a text should be where {value!r} is")
    return value
