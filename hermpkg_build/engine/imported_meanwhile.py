"""Imports what a build goes on with, while it waits for another process."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def imported_meanwhile(*names: str) -> Iterator[None]:
    """A context that waits for something else, and at whose end these modules are imported."""
    missing = [name for name in names if name not in sys.modules]
    if not missing:
        yield
        return
    thread = threading.Thread(target=_import, args=[missing], name="hermpkg-imports", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # There can be no more threads: the modules are imported when they are needed.
        yield
        return
    try:
        yield
    finally:
        thread.join()


def _import(names: Sequence[str]) -> None:
    with suppress(Exception):  # Whoever needs it tells why it cannot be imported.
        for name in names:
            importlib.import_module(name)
