"""Words on source roots, the folders of a workspace that dotted module names count from."""

from __future__ import annotations

import json
from collections.abc import Sequence


def source_roots_line(roots: Sequence[str]) -> str:
    """Return the setting as it stands in ``pyproject.toml``.

    >>> source_roots_line(["src", ""])
    'source-roots = ["src", ""]'
    """
    return f"source-roots = {json.dumps([*roots], ensure_ascii=False)}"


def advice_on_root(missing: str, roots: Sequence[str]) -> str:
    """Return the next step where modules should count from `missing`, too, beside the present `roots`."""
    line = source_roots_line(list(dict.fromkeys([missing, *roots])))
    place = missing or "the workspace itself"
    return f"have modules count from {place}, in pyproject.toml:\n    [tool.hermpkg]\n    {line}"
