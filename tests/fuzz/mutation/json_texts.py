"""Changes JSON: other values and names, and other ways to write the same ones."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

from mutation.words import NAMES, VALUES


def other_json(data: bytes, choose: random.Random) -> bytes:
    """Change, take away, add and rename values, or write the same ones in another way."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(value, (dict, list)):
        return data
    for _ in range(choose.choice((0, 1, 1, 2))):
        _change_a_value(value, choose)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    match choose.randrange(12):
        case 0:
            text = json.dumps(value)
        case 1:
            text = text[:-1] + (',"format":1,"format":1}' if text[-1] == "}" else ",1]")
        case 2:
            text = text.replace(":", ": ", 1)
        case 3:
            text = "[" * 100_000
        case 4:
            return text.encode("utf-16", "surrogatepass")
        case 5:
            return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
        case 6:
            text = text.replace('"', '"\\u0000', 1)
        case _:
            pass
    return text.encode("utf-8", "surrogatepass")


def _change_a_value(value: Any, choose: random.Random) -> None:
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = choose.choice(keys)
        inner = here[key]
        if not (isinstance(inner, (dict, list)) and inner and choose.random() < 0.8):
            break
        here = inner
    match choose.randrange(4):
        case 0:
            del here[key]
        case 1 if isinstance(here, dict):
            here[choose.choice(("", "x", "\x1b", "\ud800", "a." * 300, *map(str, NAMES)))] = here.pop(key)
        case 2 if isinstance(here, dict):
            here[choose.choice(("new", "format", "requires", "modules"))] = deepcopy(choose.choice(VALUES))
        case _:
            here[key] = deepcopy(choose.choice(VALUES))
