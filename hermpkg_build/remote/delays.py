"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0


def delay_s(failures: int) -> float:
    """Seconds after so many failures in a row: twice as long each time, less a random part.

    Clients that fail together do not return together.
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (failures - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
