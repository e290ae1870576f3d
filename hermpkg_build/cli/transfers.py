"""Shows how far a transfer of layers is: a moving line on a terminal, else a sign of life now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hermpkg_build.cli.console import Console
from hermpkg_build.cli.progress import Pulse, errors_go_to_a_terminal
from hermpkg_build.cli.running import time_text
from hermpkg_build.core.texts import counted, size_text
from hermpkg_build.printable import one_line

if TYPE_CHECKING:
    from hermpkg_build.registry.progress import Progress, Travelled

_TELLING_S = 2.0
"""After so long it can be told how long the rest takes."""


@contextmanager
def transfer_shown(progress: Progress, what: str, console: Console) -> Iterator[None]:
    """Show how far `progress` is as long as the context lasts; `what` names it, as in "pulling model.pt"."""
    if console.json or console.quiet:
        yield
        return
    began, shown = time.monotonic(), one_line(what)

    def figures() -> str:
        return transfer_text(progress.travelled(), time.monotonic() - began)

    if errors_go_to_a_terminal():
        from hermpkg_build.cli.live import LiveLines

        moving: LiveLines | Pulse = LiveLines(lambda _columns, _rows: [figures(), f"  {shown}"])
    else:
        moving = Pulse(lambda: f"{shown}: {figures()}", console.note)
    moving.start()
    try:
        yield
    finally:
        moving.stop()


def transfer_text(travelled: Travelled, seconds: float) -> str:
    """Say how far a transfer is after so many seconds."""
    words = []
    if travelled.layers:
        layers = f"{travelled.arrived_layers} of {counted(travelled.layers, 'layer')}"
        moved = f"{size_text(travelled.arrived_bytes)} of {size_text(travelled.bytes)}"
        words.append(f"{layers}, {moved}" if travelled.layers > 1 else moved)
    words.append(time_text(seconds))
    if travelled.arrived_bytes and seconds >= _TELLING_S:
        rest = seconds * (travelled.bytes - travelled.arrived_bytes) / travelled.arrived_bytes
        words.append(f"about {time_text(rest)} left")
    return "  ".join(words)
