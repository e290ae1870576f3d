"""What every test can rely on: a cache folder of its own, and interrupts that interrupt."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests of a process, as users have one for all their programs."""
    folder = tmp_path_factory.mktemp("hermpkg-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HERMPKG_CACHE_DIR", str(folder))
        yield folder
