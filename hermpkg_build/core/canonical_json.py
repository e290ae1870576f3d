"""Canonical JSON: one value, one sequence of bytes (sorted keys, no blanks, UTF-8)."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


def writer_of(encoder: json.JSONEncoder) -> Callable[[Json], str]:
    """Return what `encoder` writes texts by, made once: most values are small, and nobody holds itself."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    escaped = json.encoder.encode_basestring_ascii if encoder.ensure_ascii else json.encoder.encode_basestring
    separators = encoder.key_separator, encoder.item_separator
    write = make(
        None, encoder.default, escaped, None, *separators, encoder.sort_keys, False, encoder.allow_nan
    )
    return lambda value: "".join(write(value, 0))


_write = writer_of(
    json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
)


def dumps(value: Json) -> bytes:
    """Return the canonical bytes of `value`, without a final newline.

    Raises ValueError for NaN and infinities, TypeError for values that JSON cannot hold.

    >>> dumps({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()
    True
    """
    return _write(value).encode("utf-8", "backslashreplace")


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
