"""Makes unified diffs of texts of any size."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import islice

from hermpkg_build.inspection.diff.differences import TextDifference

_CONTEXT = 3
_MOST_LINES = 200
# difflib takes quadratic time, so that it only gets texts of up to so many lines, shared ends not counted.
_MOST_COMPARED = 5_000


def text_of(data: bytes) -> str | None:
    """Decode `data`; None where it is not text."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def diff_texts(a: str, b: str) -> TextDifference:
    """Return a unified diff from `a` to `b` with three lines of context, without the two head lines."""
    left, right = a.splitlines(keepends=True), b.splitlines(keepends=True)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    start, stop = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    middle = left[start : len(left) - stop], right[start : len(right) - stop]
    if max(map(len, middle)) > _MOST_COMPARED:
        lines = [f"@@ -{start + 1} +{start + 1} @@"]
        lines += ["-" + _visible(line) for line in middle[0][head - start : len(middle[0]) - (tail - stop)]]
        lines += ["+" + _visible(line) for line in middle[1][head - start : len(middle[1]) - (tail - stop)]]
    else:
        lines = _unified(middle, start)
    shown = tuple(islice(lines, _MOST_LINES))
    return TextDifference(lines=shown, left_out=len(lines) - len(shown))


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
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, *middle, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        a_from, a_to, b_from, b_to = group[0][1], group[-1][2], group[0][3], group[-1][4]
        lines.append(f"@@ -{start + a_from + 1},{a_to - a_from} +{start + b_from + 1},{b_to - b_from} @@")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [" " + _visible(line) for line in middle[0][i1:i2]]
                continue
            lines += ["-" + _visible(line) for line in middle[0][i1:i2]]
            lines += ["+" + _visible(line) for line in middle[1][j1:j2]]
    return lines


def _visible(line: str) -> str:
    """Return a line without its end, which is spelled out where it is not a plain line feed."""
    if line.endswith("\r\n"):
        return line[:-2] + "\\r\\n"
    if line.endswith("\n"):
        return line[:-1]
    return line + "  (no newline at the end)"
