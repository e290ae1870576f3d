"""Names of folders and files in workspaces. Start-up imports this file, so that it imports nothing."""

from __future__ import annotations

OUTPUT_FOLDER = "hermpkg-out"
"""Where artifacts go, relative to the workspace root; never part of the sources."""

STATE_FOLDER = f"{OUTPUT_FOLDER}/.hermpkg"
"""Where a build leaves notes for the next one."""

BUILD_NAMES = ("BUILD.bazel", "BUILD")
"""The names of BUILD files; where a folder has both, the first counts."""

OWN_BUILD_NAME = "BUILD.hermpkg"
"""What BUILD files are called where those of the usual names are another tool's."""

BUILD_NAME_SETTING = "build-file-name"
"""The setting of a workspace that says what its BUILD files are called."""

NAME_THEM_APART = (
    "let hermpkg have BUILD files of its own beside those of Bazel, in pyproject.toml:\n"
    f'    [tool.hermpkg]\n    {BUILD_NAME_SETTING} = "{OWN_BUILD_NAME}"'
)
"""The next step where a BUILD file says what only Bazel knows."""
