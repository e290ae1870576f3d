"""Names of folders and files in workspaces. Start-up imports this file, so that it imports nothing."""

from __future__ import annotations

OUTPUT_FOLDER = "hermpkg-out"
"""Where artifacts go, relative to the workspace root; never part of the sources."""

STATE_FOLDER = f"{OUTPUT_FOLDER}/.hermpkg"
"""Where a build leaves notes for the next one."""

BUILD_NAMES = ("BUILD.bazel", "BUILD")
"""The names of BUILD files; where a folder has both, the first counts."""
