"""Writes a page as one HTML file, which loads nothing from elsewhere.

What an artifact says is data to the page. It stands in one JSON block in which no markup can begin, and the
programs of the page show it as text. The page's policy lets nothing run but these programs, by their digests.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Sequence

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.explorer.chart_library import chart_programs
from hermpkg_build.printable import one_line

_PROGRAMS = (
    "page_data.js",
    "elements.js",
    "details.js",
    "treemap.js",
    "module_graph.js",
    "tables.js",
    "difference.js",
    "main.js",
)
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>hermpkg look</title>
<style>
{style}</style>
</head>
<body>
{body}<script type="application/json" id="data">{data}</script>
{scripts}
</body>
</html>
"""


def html_page(data: dict[str, Json]) -> str:
    """Return the page that shows `data`. Raises LocalEnvironmentError where the extra `look` is missing."""
    own = "".join(f"{_asset(name)}\n" for name in _PROGRAMS)
    programs = [*chart_programs(), f'"use strict";\n(() => {{\n{own}}})();\n']
    programs = [program.replace("</script", "<\\/script").replace("<!--", "<\\!--") for program in programs]
    return _PAGE.format(
        policy=_policy(programs),
        style=_asset("page.css"),
        body=_asset("page.html"),
        data=_inert(data),
        scripts="\n".join(f"<script>{program}</script>" for program in programs),
    )


def _asset(name: str) -> str:
    return (
        importlib.resources.files(__package__).joinpath("assets").joinpath(name).read_text(encoding="utf-8")
    )


def _policy(programs: Sequence[str]) -> str:
    digests = [hashlib.sha256(program.encode()).digest() for program in programs]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _inert(data: Json) -> str:
    r"""JSON in which no markup can begin.

    >>> _inert(["</script><b>\u202e"])
    '["\\u003c/script\\u003e\\u003cb\\u003e\\\\u202e"]'
    """
    text = json.dumps(_printable(data), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _printable(value: Json) -> Json:
    """The value with all texts as they may be shown."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        # Most of a page are columns of numbers.
        return [part if type(part) is int else _printable(part) for part in value]
    if isinstance(value, dict):
        return {one_line(name): _printable(part) for name, part in value.items()}
    return value
