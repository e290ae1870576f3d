"""The folders that a build makes in a workspace; cheap to import, for start-up asks for them."""

from __future__ import annotations

OUTPUT_FOLDER = "hermpkg-out"
"""Where artifacts go, relative to the workspace root; never part of the sources."""

STATE_FOLDER = f"{OUTPUT_FOLDER}/.hermpkg"
"""Notes for the next build."""
