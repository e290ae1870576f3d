"""Writes decisions.md from the table that `pack` decides by.

Run as ``python docs/reference/make_decisions.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

from pathlib import Path

from hermpkg_build.analysis.decisions import TABLE

PAGE = Path(__file__).with_name("decisions.md")

_HEAD = """\
# Decisions

This page is made from the table that `hermpkg_build.pack` and `hermpkg pack` decide by.

What becomes of each distribution, and of each top-level module that no distribution has, is decided by the
first row that fits. Only what the model's imports lead to is decided, by the policy itself: what an extern
library imports is no concern of the package.

| row | for | policy | reason in the report |
|---|---|---|---|
"""

_TAIL = """
The standard library is extern without being decided. Imports that are only for type checkers are left out;
so are imports that may fail of modules that are not installed, which the report lists.

`requires` allows each extern distribution that the package cannot do without from the version that is
installed on. Of torch, whose classes lie in pickled models, up to the newest release to which artifacts
[were seen to cross](versions.md), or the fixes of the installed one where that is newer: `>=2.13.0,<2.16`.
Of others, up to the next one that may break by its number: `>=2.4.6,<3`, `>=0.23.3,<0.24`; of versions that
begin with a year, all later ones. `requires=` (`--requires`) says otherwise.

Where the policy is yours to decide otherwise: `extern=["name"]` and `intern=["name"]` (`--extern`,
`--intern`) take names of distributions or of top-level modules, `policy=` takes rules that come before all
others, in the form of the report.
"""


def page() -> str:
    """The whole page."""
    rows = (f"| {row.name} | {row.when} | {row.policy or 'as asked'} | {row.why} |\n" for row in TABLE)
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
