"""Keeps what importers cache out of the user's own cache folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests of a process, as users have one for all their programs."""
    folder = tmp_path_factory.mktemp("hermpkg-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HERMPKG_CACHE_DIR", str(folder))
        yield folder
