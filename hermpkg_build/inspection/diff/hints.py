"""Guesses why two values differ that should be equal: they look like times, addresses, paths, UUIDs."""

from __future__ import annotations

import re
import time

_ADDRESS_IN_TEXT = re.compile(r"\bat 0x[0-9a-fA-F]{6,}|\b0x[0-9a-fA-F]{8,}\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_DATE = re.compile(r"\b(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d)?")
_TEMPORARY = re.compile(r"/tmp/|/var/folders/|/hermpkg")  # noqa: S108 - such paths are looked for
_A_YEAR = 366 * 86400
_SCALES = (1, 10**3, 10**6, 10**9)
_LATEST = 10**20


def hint_for(a: object, b: object) -> str:
    """Say in half a sentence what kind of value both look like; "" for nothing in particular."""
    if isinstance(a, str) and isinstance(b, str):
        return next((words for pattern, words in _TEXTS if pattern.search(a) and pattern.search(b)), "")
    if isinstance(a, bool) or isinstance(b, bool):
        return ""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if _is_recent(a) and _is_recent(b):
            return "both look like the time of the build"
        if _is_address(a) and _is_address(b):
            return "both look like addresses in memory, such as id() gives"
    return ""


_TEXTS = (
    (_ADDRESS_IN_TEXT, "both hold an address in memory, such as repr() of an object gives"),
    (_UUID, "both hold a UUID"),
    (_DATE, "both hold a date"),
    (_TEMPORARY, "both hold a path of a temporary folder"),
)


def _is_recent(value: float) -> bool:
    """Whether a number is a recent time in seconds, or in thousandths, millionths or billionths of one."""
    if not 0 < value < _LATEST:
        return False
    now = time.time()
    return any(abs(value / scale - now) < _A_YEAR for scale in _SCALES)


def _is_address(value: float) -> bool:
    return isinstance(value, int) and 1 << 32 < value < 1 << 48 and value % 8 == 0
