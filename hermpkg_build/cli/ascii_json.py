"""JSON for people, in ASCII alone."""

from __future__ import annotations

import json

from hermpkg_build.core.canonical_json import Json


def pretty_ascii(value: Json) -> str:
    """Return `value` with sorted keys, indented, in ASCII alone: whatever shows it shows what is in it."""
    return json.dumps(value, sort_keys=True, allow_nan=False, indent=2)
