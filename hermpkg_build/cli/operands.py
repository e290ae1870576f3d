"""What words of a command line name: files or labels, the workspace of the labels, files for reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


def is_file(word: str) -> bool:
    """Tell whether `word` names a file rather than a label or a target pattern.

    No label ends in ``.pt`` or ``.zip``, and where there is no workspace there are no labels: such a word is
    a file, so that a mistyped one is reported as one.
    """
    if word.startswith(("//", ":", "@", "-")):
        return False
    return os.path.isfile(word) or word.endswith((".pt", ".zip")) or not _has_workspace()


def is_artifact(word: str) -> bool:
    """Tell whether `word` names a file, as `is_file` does, or a folder that an artifact was unpacked into."""
    return is_file(word) or os.path.isfile(os.path.join(word, ".data", "version"))


def _has_workspace() -> bool:
    from hermpkg_build.loading.workspace import NoWorkspaceError

    try:
        current_workspace()
    except NoWorkspaceError:
        return False
    return True


def current_workspace() -> Workspace:
    """Find the workspace that the current folder lies in. Raises WorkspaceError."""
    from hermpkg_build.loading.workspace import find_workspace

    return find_workspace(os.getcwd())


def write_report(path: str, text: str, *, append: bool = False) -> None:
    """Write a report for other programs to a file, whose folder is made where it is missing.

    Raises LocalEnvironmentError where it cannot be written.
    """
    from hermpkg_build.errors import LocalEnvironmentError

    try:
        os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        with open(path, "a" if append else "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise LocalEnvironmentError(
            f"cannot write {path!r}", facts=[("reason", error.strerror or str(error))]
        ) from error


@contextmanager
def writing(what: str, path: str) -> Iterator[None]:
    """Raise LocalEnvironmentError where the block cannot write `what`, such as "the page", to `path`."""
    from hermpkg_build.errors import LocalEnvironmentError

    try:
        yield
    except OSError as error:
        raise LocalEnvironmentError(
            f"{what} cannot be written", facts=[("file", path), ("reason", error.strerror or str(error))]
        ) from error
