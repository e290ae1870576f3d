"""The folders that a build makes in a workspace. Start-up imports this file, so that it imports nothing."""

from __future__ import annotations

OUTPUT_FOLDER = "hermpkg-out"
"""Where artifacts go, relative to the workspace root; never part of the sources."""

STATE_FOLDER = f"{OUTPUT_FOLDER}/.hermpkg"
"""Where a build leaves notes for the next one."""
