"""Reads the environment that an artifact records."""

from __future__ import annotations

from hermpkg_build.archive.layout import ENVIRONMENT
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.environment.locked import LockedEnvironment
from hermpkg_build.environment.pylock import parse_pylock
from hermpkg_build.environment.toml_fields import LockFormError
from hermpkg_build.errors import ArchiveError


def environment_in(archive: ArchiveReader) -> LockedEnvironment | None:
    """Return what an artifact records, None where it records nothing. Raises ArchiveError."""
    if not archive.has(ENVIRONMENT):
        return None
    try:
        return parse_pylock(archive.read(ENVIRONMENT))
    except LockFormError as error:
        raise ArchiveError(
            "the environment that the artifact records is not well formed",
            facts=[("record", ENVIRONMENT), ("reason", str(error))],
            next_step="see with hermpkg verify whether it was changed since it was built",
        ) from None
