"""Names signals in messages."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """The name of a signal; that of one for real time, which has none, is its number."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
