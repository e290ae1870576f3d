"""Reads JSON without the modules that `json` imports, which take longer than a text that is right."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


class _Context:
    """What `json.loads` tells the scanner that it has in C."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def loads(text: str) -> Any:
    """Return what `json.loads` does, and raise what it raises.

    >>> loads('{"a": [1, null]}')
    {'a': [1, None]}
    """
    try:
        from _json import make_scanner

        context: Any = _Context
        value, end = make_scanner(context)(text, 0)
    except (ImportError, AttributeError, StopIteration, SystemError, ValueError):
        pass  # Another Python, or no JSON: `json` tells what is wrong, which its scanner alone cannot.
    else:
        if not text[end:].strip(_SPACE):
            return value
    import json

    return json.loads(text)
