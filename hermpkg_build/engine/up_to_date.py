"""Brings artifacts up to date where that takes no build. Start-up imports it, so that it imports little."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.engine.snapshot_check import doubtful_files, snapshots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermpkg_build.engine.snapshot_check import StoredSnapshot


def brought_up_to_date(directory: str, words: Sequence[str]) -> tuple[StoredSnapshot, list[str]] | None:
    """Return the snapshot of a request whose artifacts are up to date, and the labels of those renewed now.

    That is one of which all is as it was, or only texts of modules are not, which takes no build: see
    `text_edits`. None for others, where there is none, and where a build had warnings.
    """
    try:
        for path, stored in snapshots(directory, words):
            doubtful = None if stored.values["warnings"] else doubtful_files(stored)
            if doubtful:
                from hermpkg_build.engine.text_edits import renewed

                doubtful = renewed(path, stored, doubtful)
            return None if doubtful is None else (stored, doubtful)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass
    return None
