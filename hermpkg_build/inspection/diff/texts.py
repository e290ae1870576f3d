"""Makes unified diffs of texts of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from hermpkg_build.inspection.diff.differences import TextDifference
from hermpkg_build.inspection.diff.edits import common_runs

_CONTEXT = 3
_MOST_LINES = 200
_MOST_LINES_READ = 500_000


def text_of(data: bytes) -> str | None:
    """Decode `data`; None where it is not text, or has too many lines to be compared one by one."""
    if b"\0" in data or data.count(b"\n") > _MOST_LINES_READ:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def diff_texts(a: str, b: str) -> TextDifference:
    """Return a unified diff from `a` to `b` with three lines of context, without the two head lines."""
    left, right = _lines(a), _lines(b)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    start, stop = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    middle = left[start : len(left) - stop], right[start : len(right) - stop]
    lines = _unified(middle, start)
    shown = tuple(islice(lines, _MOST_LINES))
    return TextDifference(lines=shown, left_out=len(lines) - len(shown))


def _lines(text: str) -> list[str]:
    """Return the lines with their ends, line feeds: what else ends lines does so for some programs only."""
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def spelled_apart(a: str, b: str) -> tuple[str, str]:
    r"""Return two texts that differ as people can tell them apart, where they look the same to them.

    >>> spelled_apart("caf\xe9", "cafe\u0301")
    ('caf\\xe9', 'cafe\\u0301')
    >>> spelled_apart("caf\xe9", "caf\xe8") == ("caf\xe9", "caf\xe8")
    True
    """
    if (a.isascii() and b.isascii()) or not _look_alike(a, b):
        return a, b
    return _spelled(a), _spelled(b)


def _look_alike(a: str, b: str) -> bool:
    from unicodedata import normalize

    return normalize("NFKC", a) == normalize("NFKC", b)


def _spelled(text: str) -> str:
    return "".join(c if c.isascii() else ascii(c)[1:-1] for c in text)


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how many lines are the same from the start on."""
    count = 0
    for x, y in zip(left, right, strict=False):
        if x != y:
            break
        count += 1
    return count


def _unified(middle: tuple[list[str], list[str]], start: int) -> list[str]:
    """Return the unified diff of two parts that begin `start` lines into their texts."""
    left, right = middle
    lines: list[str] = []
    for changes in _grouped(middle):
        a_from, b_from = max(0, changes[0].a_from - _CONTEXT), max(0, changes[0].b_from - _CONTEXT)
        a_to, b_to = changes[-1].a_to + _CONTEXT, changes[-1].b_to + _CONTEXT
        a_to, b_to = min(a_to, len(left)), min(b_to, len(right))
        lines.append(f"@@ -{start + a_from + 1},{a_to - a_from} +{start + b_from + 1},{b_to - b_from} @@")
        shown = a_from
        for change in changes:
            lines += [" " + _visible(line) for line in left[shown : change.a_from]]
            gone, new = left[change.a_from : change.a_to], right[change.b_from : change.b_to]
            texts = spelled_apart("".join(gone), "".join(new))
            for sign, text in zip("-+", texts, strict=True):
                lines += [sign + _visible(line) for line in _lines(text)]
            shown = change.a_to
        lines += [" " + _visible(line) for line in left[shown:a_to]]
    return lines


class _Change(NamedTuple):
    """Lines of `a` that became lines of `b`."""

    a_from: int
    a_to: int
    b_from: int
    b_to: int


def _grouped(middle: tuple[list[str], list[str]]) -> list[list[_Change]]:
    """Return the changes between two texts, those together whose contexts touch."""
    groups: list[list[_Change]] = []
    a_done = b_done = 0
    ends = (len(middle[0]), len(middle[1]), 0)
    for a, b, length in (*common_runs(*middle), ends):
        if a > a_done or b > b_done:
            change = _Change(a_done, a, b_done, b)
            if groups and change.a_from - groups[-1][-1].a_to <= 2 * _CONTEXT:
                groups[-1].append(change)
            else:
                groups.append([change])
        a_done, b_done = a + length, b + length
    return groups


def _visible(line: str) -> str:
    """Return a line without its end, which is spelled out where it is not a plain line feed."""
    if line.endswith("\r\n"):
        return line[:-2] + "\\r\\n"
    if line.endswith("\n"):
        return line[:-1]
    return line + "  (no newline at the end)"
