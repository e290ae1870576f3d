"""Whether the descriptors of a worker run out, as served code opens files and closes none."""

from __future__ import annotations

import os
import resource
from typing import final

_LEFT = 4
"""A worker ends when this part of those that it had at first is left."""


@final
class Descriptors:
    """The descriptors of this process: what is open now is taken for what it needs."""

    def __init__(self) -> None:
        self._some = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = -1 if limit == resource.RLIM_INFINITY else limit - (limit - self._some) // _LEFT

    def run_out(self) -> bool:
        """Say whether few are left; the system gives the lowest one that is free."""
        if self._most < 0:
            return False
        try:
            lowest = os.dup(self._some)
        except OSError:
            return True
        os.close(lowest)
        return lowest >= self._most
