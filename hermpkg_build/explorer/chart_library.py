"""Finds the library that draws the charts of a page: BokehJS, out of the installed distribution bokeh."""

from __future__ import annotations

import importlib.util
import os

from hermpkg_build.errors import LocalEnvironmentError

_FILES = ("bokeh.min.js", "bokeh-api.min.js")


def chart_programs() -> list[str]:
    """Read the programs of BokehJS. Raises LocalEnvironmentError where the extra `look` is not installed."""
    # Its Python part is not imported: that takes longer than everything else that a page needs.
    found = importlib.util.find_spec("bokeh")
    places = list(found.submodule_search_locations or ()) if found is not None else []
    for place in places:
        folder = os.path.join(place, "server", "static", "js")
        try:
            return [_read(os.path.join(folder, name)) for name in _FILES]
        except OSError:
            continue
    raise LocalEnvironmentError(
        "the extra `look` is not installed",
        facts=[("missing", "bokeh, which draws the charts of the page")],
        next_step="pip install 'hermpkg-build[look]'",
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
