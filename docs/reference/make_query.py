"""Writes the table of functions in query.md from the one that queries are read by.

Run as ``python docs/reference/make_query.py``; a test compares the page with what this would write. The table
stands between ``<!-- made: functions -->`` and ``<!-- end -->``; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from hermpkg_build.query.signatures import SIGNATURES

PAGE = Path(__file__).with_name("query.md")

_PART = re.compile(r"(<!-- made: functions -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page() -> str:
    """The whole page, with the table as it should be."""
    rows = [f"| `{each.usage}` | {each.doc} |" for each in SIGNATURES.values()]
    table = "\n".join(["", "| function | gives |", "|---|---|", *rows, "", ""])
    return _PART.sub(lambda part: f"{part[1]}{table}{part[2]}", PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
