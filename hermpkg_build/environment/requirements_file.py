"""Reads a ``requirements.txt`` in which every requirement is a version with hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hermpkg_build.environment.lock_entry import LockEntry
from hermpkg_build.environment.locked import LockedDistribution, strong_hashes
from hermpkg_build.environment.toml_fields import Fields, LockFormError

_HASH = re.compile(r"--hash[= ]\s*(\S+)")
_LONGEST = 2_000
_PINNED = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;,*]+)\s*(?:;(.*))?")


def has_hashes(data: bytes) -> bool:
    """Tell whether a file of requirements locks anything."""
    return b"--hash" in data


def read_entries(data: bytes) -> Iterator[LockEntry]:
    """Give the entries; lines without hashes are none. Raises LockFormError where there are none at all."""
    try:
        lines = _lines(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise LockFormError(f"not a text in UTF-8: {error}") from None
    found = False
    for number, line in lines:
        hashes = strong_hashes(_HASH.findall(line))
        requirement = _HASH.sub("", line).strip()
        if not hashes or requirement.startswith("-"):
            continue
        match = _PINNED.fullmatch(requirement[: _LONGEST + 1])
        if match is None or len(requirement) > _LONGEST:
            raise LockFormError(
                f"line {number}: expected NAME==VERSION with hashes, found {requirement[:80]!r}"
            )
        name, version, marker = match.groups()
        fields = Fields(
            {"name": name, "version": version, "marker": (marker or "").strip()}, f"line {number}"
        )
        found = True
        yield LockEntry(
            distribution=LockedDistribution(
                name=fields.name(), version=fields.version(), marker=fields.marker(), hashes=hashes
            )
        )
    if not found:
        raise LockFormError("no requirement of it has a version and hashes: write it with hashes")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the logical lines, without comments, each with the number of its first line."""
    start, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        plain = _without_comment(line)
        start = start or number
        parts.append(plain.removesuffix("\\"))
        if not plain.endswith("\\"):
            yield start, " ".join(parts).strip()
            start, parts = 0, []
    if parts:
        yield start, " ".join(parts).strip()


def _without_comment(line: str) -> str:
    """Return a line without its comment, which begins it, or comes after a blank."""
    if line.startswith("#"):
        return ""
    for mark in (" #", "\t#"):
        line = line.partition(mark)[0]
    return line.rstrip()
