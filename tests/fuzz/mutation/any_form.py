"""Changes an input in the form that it has: JSON, text, or bytes."""

from __future__ import annotations

import random

from mutation.json_texts import other_json
from mutation.octets import other_bytes
from mutation.texts import other_text


def other_of_its_form(data: bytes, choose: random.Random) -> bytes:
    """Return `data` changed by the parts that it has."""
    if choose.random() < 0.1:
        return other_bytes(data, choose)
    if data[:1] in (b"{", b"[") and choose.random() < 0.8:
        return other_json(data, choose)
    try:
        data.decode()
    except UnicodeDecodeError:
        return other_bytes(data, choose)
    return other_bytes(data, choose) if b"\0" in data else other_text(data, choose)
