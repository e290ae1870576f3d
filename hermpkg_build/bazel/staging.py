"""Makes a workspace of the declared files alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def staged_workspace(files: Mapping[str, str]) -> Iterator[str]:
    """A folder with a link to each of `files`, at its workspace path; removed at the end.

    Generated files lie in it beside source files. Undeclared files are absent, also where Bazel runs the
    action outside a sandbox.
    """
    with tempfile.TemporaryDirectory(prefix="hermpkg-") as temporary:
        # The temporary folder can be a link, such as /tmp on macOS, and modules must not see two names.
        root = os.path.join(os.path.realpath(temporary), "workspace")
        folders: set[str] = set()
        for path, source in files.items():
            staged = os.path.join(root, path)
            folder = os.path.dirname(staged)
            if folder not in folders:
                os.makedirs(folder, exist_ok=True)
                folders.add(folder)
            os.symlink(os.path.abspath(source), staged)
        os.makedirs(root, exist_ok=True)
        yield root
