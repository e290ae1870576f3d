"""What programs in the texts of benchmarks import is there: no linter sees into these texts."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
IMPORTS = re.compile(r"^ *from (hermpkg_build[\w.]*) import (?:\(([^)]*)\)|([^#\n]*))", re.MULTILINE)


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_what_benchmarks_import_is_there(script: Path) -> None:
    for module, several, one in IMPORTS.findall(script.read_text(encoding="utf-8")):
        for name in (words.split()[0] for words in (several or one).split(",") if words.strip()):
            assert hasattr(import_module(module), name) or find_spec(f"{module}.{name}")
