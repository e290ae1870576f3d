"""Makes docstrings Markdown: their doctests, which stand between paragraphs, become blocks of code.

Dataclasses of the package are shown with what their constructors take, as those of the standard library.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


class Doctests(griffe.Extension):
    """Fences the examples of every object that the pages show."""

    def on_alias_instance(self, *, alias: griffe.Alias, **_given: Any) -> None:
        """Have a name that has just been imported lead to what type checkers take it for."""
        alias.target_path = re.sub(r"^hermpkg_build\.dataclass\.", "dataclasses.", alias.target_path)

    def on_object(self, *, obj: griffe.Object, **_given: Any) -> None:
        """Rewrite the docstring of an object that has just been read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    r"""Give a docstring with a fence around each run of paragraphs that begin with ``>>>``.

    >>> fenced("Add.\n\n>>> 1 + 1\n2")
    'Add.\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    parts: list[str] = []
    for paragraph in _PARAGRAPHS.split(text):
        if not paragraph.lstrip().startswith(">>>"):
            parts.append(paragraph)
        elif parts and parts[-1].endswith("\n```"):
            parts[-1] = f"{parts[-1][: -len('```')]}\n{paragraph}\n```"
        else:
            parts.append(f"```pycon\n{paragraph}\n```")
    return "\n\n".join(parts)
