"""How long actions took when they ran last in a workspace, by which the rest of a build is estimated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file

Durations: TypeAlias = Mapping[tuple[str, str], float]
"""Seconds by an action's kind and subject."""

_WORTH_NOTING_S = 0.2
_MOST_NOTED = 20_000
_LONGEST_S = 1e9


def known_durations(root: str) -> dict[tuple[str, str], float]:
    """Return what is noted in the workspace `root`; nothing where that is lost or damaged."""
    try:
        noted: Any = loads(read_limited(_path(root)))
        known = {(str(kind), str(subject)): float(seconds) for kind, subject, seconds in noted}
        return {key: seconds for key, seconds in known.items() if 0 <= seconds <= _LONGEST_S}
    except (OSError, ValueError, TypeError, OverflowError):
        return {}


def note_durations(root: str, new: Durations) -> None:
    """Note what took long enough to be felt beside what is known. Nothing raises."""
    felt = {key: round(seconds, 3) for key, seconds in new.items() if seconds >= _WORTH_NOTING_S}
    if felt:
        known = known_durations(root)
        # The last ones stay where there are too many: those of targets that exist.
        noted = {**{key: known[key] for key in known if key not in felt}, **felt}
        rows = [[*key, seconds] for key, seconds in noted.items()][-_MOST_NOTED:]
        with suppress(OSError):
            replace_file(_path(root), json.dumps(rows).encode(errors="surrogateescape"))


def _path(root: str) -> str:
    return os.path.join(root, STATE_FOLDER, "durations.json")
