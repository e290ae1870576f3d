"""docs/reference/build-files.md: its names exist, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hermpkg_build.loading.resolve import BUILD_GLOBALS, BZL_GLOBALS
from hermpkg_build.loading.rules import DEFS_LABEL, POLICY_FUNCTIONS, RULES

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "build-files.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    match = re.search(
        rf"^(#+) `?{re.escape(title)}`?(?:\(.*\))?$(.*?)(?=^#{{1,3}} |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert match, f"no section {title!r}"
    return match[2]


def test_the_dialect_lists_what_is_defined() -> None:
    text = section("Starlark")
    for names in (BUILD_GLOBALS, BZL_GLOBALS):
        missing = [name for name in sorted(names) if f"`{name}`" not in text]
        assert not missing
    assert DEFS_LABEL in TEXT
    assert all(f"`{name}`" in TEXT for name in (*RULES.keys() - {"package_test"}, *POLICY_FUNCTIONS))


def test_the_examples_of_the_page_load(files: WorkspaceFiles) -> None:
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert blocks
    for path, text in blocks:
        files.write(path, text)
    files.write("models/net.py")
    files.write("models/words.txt")
    files.write("tools/BUILD", "")
    assert len(files.closure("//...")) >= 3
