"""Makes foreign text harmless where it becomes output: what is no character to see is written as an escape.

Names, versions and texts of artifacts, workspaces and servers can hold what steers a terminal, turns a line
around or begins one that looks like ours.
"""

from __future__ import annotations


def one_line(text: str) -> str:
    r"""`text` as a part of one line; only a tab stays as it is.

    >>> one_line("a\x1b[2J\nb\u202e")
    'a\\x1b[2J\\nb\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def indented(text: str, indent: str) -> str:
    r"""`text` with its own line breaks, each line after the first behind `indent`.

    >>> indented("first\nsecond", "  ")
    'first\n  second'
    """
    first, *rest = text.splitlines() or [""]
    return "\n".join([one_line(first), *(f"{indent}{one_line(line)}".rstrip() for line in rest)])
