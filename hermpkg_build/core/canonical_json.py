"""Canonical JSON: one value, one sequence of bytes (sorted keys, no blanks, UTF-8)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Made once: most values are small."""


def dumps(value: Json) -> bytes:
    """Return the canonical bytes of `value`, without a final newline.

    Raises ValueError for NaN and infinities, TypeError for values that JSON cannot hold.

    >>> dumps({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()
    True
    """
    return _encoder.encode(value).encode("utf-8", "backslashreplace")


def pretty(value: Json) -> bytes:
    """Return canonical bytes for people to read: sorted keys, an indent of two spaces, a final newline."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=2)
    return text.encode() + b"\n"


def loads(data: bytes | str) -> Json:
    """Return the value of a JSON text. Raises ValueError where `data` is not JSON, or nested too deeply."""
    try:
        value: Json = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value
