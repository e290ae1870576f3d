"""Standard output whose reader has gone."""

from __future__ import annotations

import os
import sys


def discard_output() -> None:
    """Let what is still buffered go nowhere, so that it does not fail once more when Python ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
