"""Notes that a file of the cache was used, in its time: what was not used for longest is removed first."""

from __future__ import annotations

import os
import time
from contextlib import suppress

DAY_S = 24 * 3600.0


def mark_used(descriptor: int, status: os.stat_result) -> None:
    """Note that an open file is used, at most once a day: reading thousands of files writes nothing."""
    # Windows takes no descriptor.
    if abs(time.time() - status.st_mtime) > DAY_S and os.utime in os.supports_fd:
        with suppress(OSError):
            os.utime(descriptor)
