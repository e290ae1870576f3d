"""Reads amounts as people write them: sizes such as ``10GB``, ages such as ``30d``."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _SIZES[_letter] = _SIZES[f"{_letter}b"] = 1000**_power
    _SIZES[f"{_letter}i"] = _SIZES[f"{_letter}ib"] = 1024**_power

_MOST = 2.0**63
"""Bytes: no file system has more."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def read_size(text: str) -> int:
    """Read a number of bytes: powers of ten, or of two with an ``i``. Raises ValueError.

    >>> read_size("10GB"), read_size("1.5 KiB"), read_size("0")
    (10000000000, 1536, 0)
    >>> read_size("big")
    Traceback (most recent call last):
    ValueError: a size such as 500MB or 10GB
    """
    expected = "a size such as 500MB or 10GB"
    amount = _read(text, _SIZES, expected)
    if amount > _MOST:
        raise ValueError(expected)
    return int(amount)


def read_age(text: str) -> float:
    """Read a time in seconds, written with its unit: s, m, h, d or w. Raises ValueError.

    >>> read_age("30d"), read_age("1.5h")
    (2592000.0, 5400.0)
    >>> read_age("30")
    Traceback (most recent call last):
    ValueError: a time with its unit, such as 12h, 30d or 4w
    """
    return _read(text, _SECONDS, "a time with its unit, such as 12h, 30d or 4w")


def _read(text: str, units: dict[str, int], expected: str) -> float:
    match = _AMOUNT.fullmatch(text.strip()) if text.isascii() else None
    if match is None or match[2].lower() not in units:
        raise ValueError(expected)
    return float(match[1]) * units[match[2].lower()]
