"""The time that a document says it was made at: an option's, or that of ``SOURCE_DATE_EPOCH``."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from hermpkg_build.errors import CommandLineError


def made_time(given: str | None) -> datetime | None:
    """Read the time `given` by ``--time``, else ``SOURCE_DATE_EPOCH``; None for no time.

    Raises CommandLineError for what is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    where, text = ("--time", given) if given is not None else ("SOURCE_DATE_EPOCH", epoch)
    if not text:
        return None
    try:
        if text.isascii() and text.isdigit():
            return datetime.fromtimestamp(int(text), timezone.utc)
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        raise CommandLineError(
            f"{where} is no time: {text!r}",
            next_step="write it like 2026-01-31T12:00:00Z, or as seconds since 1970",
        ) from None
    zoned = time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)
    return zoned.astimezone(timezone.utc).replace(microsecond=0)
