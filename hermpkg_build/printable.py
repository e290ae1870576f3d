"""Makes foreign text harmless where it becomes output: what is no character to see is written as an escape.

Names, versions and texts of artifacts, workspaces and servers can hold what steers a terminal, turns a line
around or begins one that looks like ours.
"""

from __future__ import annotations

_SURROGATES = r"\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(?P<alone>\\ud[89a-f][0-9a-f]{2})"
"""In JSON: an escaped backslash, a pair of surrogates, one alone."""


def one_line(text: str) -> str:
    r"""`text` as a part of one line; only a tab stays as it is.

    >>> one_line("a\x1b[2J\nb\u202e")
    'a\\x1b[2J\\nb\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def pasteable(*words: str) -> str:
    r"""The command of `words` as it is pasted into a shell, whatever is in them.

    >>> pasteable("hermpkg", "run", "my model.pt")
    "hermpkg run 'my model.pt'"
    """
    import shlex

    return one_line(shlex.join(words))


def indented(text: str, indent: str) -> str:
    r"""`text` with its own line breaks, each line after the first behind `indent`.

    >>> indented("first\nsecond", "  ")
    'first\n  second'
    """
    first, *rest = text.splitlines() or [""]
    return "\n".join([one_line(first), *(f"{indent}{one_line(line)}".rstrip() for line in rest)])


def strict_json(text: str) -> str:
    r"""Return JSON, as `json.dumps` makes it, with halves of surrogate pairs spelled out as texts.

    Names of files that are not UTF-8 have such halves in Python, and many parsers refuse them.

    >>> strict_json(r'["\udcff", "\ud83d\ude00", "\\udcff"]')
    '["\\\\udcff", "\\ud83d\\ude00", "\\\\udcff"]'
    """
    if "\\ud" not in text:
        return text
    import re

    return re.sub(_SURROGATES, lambda match: f"\\{match[0]}" if match["alone"] else match[0], text)
