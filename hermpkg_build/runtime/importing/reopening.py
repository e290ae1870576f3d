"""Opens artifacts again in the process that an object of their modules has come to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.contents.location import file_state
from hermpkg_build.runtime.importing.space import OPEN_SPACES
from hermpkg_build.runtime.mangling import mangle_prefix

if TYPE_CHECKING:
    from hermpkg_build.runtime.contents.location import FileState

_reopened: dict[str, Any] = {}
"""The importers that objects from other processes needed here, by the prefix that they have there."""
_reopening = threading.Lock()


def reopen(name: str, state: FileState, open_again: Callable[[str, FileState], Any]) -> None:
    """Open the artifact of `name`, a packaged module in another process, unless it is open.

    `open_again` makes an importer for a prefix. Raises ImportError where the file is gone or has changed.
    """
    prefix = mangle_prefix(name)
    with _reopening:
        if prefix not in OPEN_SPACES:
            _check_same(state)
            _reopened[prefix] = open_again(prefix, state)


def _check_same(state: FileState) -> None:
    path, _, _, files, trust, checks_reads = state
    try:
        is_same = file_state(path, files, trust, checks_reads) == state
    except OSError as error:
        raise ImportError(f"the artifact {path} cannot be opened here: {error.strerror}") from error
    if not is_same:
        raise ImportError(f"the artifact {path} was changed since the object was pickled")
