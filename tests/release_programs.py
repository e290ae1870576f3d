"""The programs that make releases, as tests import them: scripts of one folder, which import each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PROGRAMS = Path(__file__).resolve().parents[1] / "hermpkg_build/runtime/distribution"


@contextmanager
def release_programs() -> Iterator[Callable[[str], ModuleType]]:
    """Give what imports one of them by its name; afterwards none is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROGRAMS))
        try:
            yield import_module
        finally:
            for path in PROGRAMS.glob("*.py"):
                sys.modules.pop(path.stem, None)
