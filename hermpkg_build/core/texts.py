"""Lays out texts for people: columns, numbers of things, long lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_WIDEST = 200
"""Characters of a column. Names of artifacts can have 65,000, and a hundred thousand rows be beside one."""


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each of `rows`, with columns of one width; the last is as wide as its text.

    A cell that is very wide stands out of its column: others are not filled up to it.

    >>> list(aligned([("build", "Build it"), ("why", "Explain it")]))
    ['build  Build it', 'why    Explain it']
    """
    rows = list(rows)
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        cells = [f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False)]
        yield "".join([*cells, row[-1]]).rstrip()


def clipped(line: str, most: int) -> str:
    """Return a line without what is in its middle, where it has more than `most` characters.

    >>> clipped("x" * 1000, 10)
    'xxxxx … 990 characters … xxxxx'
    """
    if len(line) <= most:
        return line
    half = most // 2
    return f"{line[:half]} … {len(line) - 2 * half:,} characters … {line[-half:]}"


def counted(count: int, thing: str, things: str = "") -> str:
    """Write a number of things: ``1 upload``, ``2 uploads``; `things` where an s does not make several."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {things or f'{thing}s'}"


def first_of(lines: Sequence[str], most: int, rest: str = "and {} more") -> list[str]:
    """Return `most` of the lines, and behind them `rest` with the number of those left out.

    >>> first_of(["a", "b", "c", "d"], 2)
    ['a', 'b', 'and 2 more']
    """
    left_out = len(lines) - most
    return [*lines[:most], rest.format(left_out)] if left_out > 0 else [*lines]


def listed(names: Sequence[str], most: int) -> str:
    """Write `most` of the names in a sentence, and how many more there are.

    >>> listed(["a", "b", "c", "d"], 2)
    'a, b and 2 more'
    """
    left_out = len(names) - most
    return ", ".join(names[:most]) + (f" and {left_out:,} more" if left_out > 0 else "")


def size_text(count: int) -> str:
    """Write a number of bytes for people, in powers of ten.

    >>> size_text(46_827_351)
    '46.8 MB'
    """
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} PB"


def signal_name(number: int) -> str:
    """The name of a signal; that of one for real time, which has none, is its number."""
    import signal

    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
