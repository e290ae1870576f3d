"""Draws curves over sizes as SVG, both axes logarithmic: the same figures give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias
from xml.sax.saxutils import escape

Curves: TypeAlias = dict[str, dict[int, float]]
"""By name, the seconds that something takes by the number of modules."""

_WIDTH, _HEIGHT = 860, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 340, 20, 50
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")


def drawn(curves: Mapping[str, Mapping[int, float]]) -> str:
    """Return the picture of `curves`, in which what grows as a power of the size is a straight line."""
    sizes = [size for curve in curves.values() for size in curve]
    times = [seconds for curve in curves.values() for seconds in curve.values()]
    x = _Axis(sizes, _LEFT, _WIDTH - _RIGHT)
    y = _Axis(times, _HEIGHT - _BOTTOM, _TOP)
    view = f'viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view} font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for size in x.ticks():
        place = x.place(size)
        lines.append(_line(place, _TOP, place, _HEIGHT - _BOTTOM, "#ddd"))
        lines.append(_text(place, _HEIGHT - _BOTTOM + 18, f"{size:,.0f}", "middle"))
    for seconds in y.ticks():
        place = y.place(seconds)
        lines.append(_line(_LEFT, place, _WIDTH - _RIGHT, place, "#ddd"))
        lines.append(_text(_LEFT - 8, place + 4, f"{seconds:g} s", "end"))
    lines.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, "modules", "middle"))
    for number, (name, curve) in enumerate(curves.items()):
        color = _COLORS[number % len(_COLORS)]
        dashes = ' stroke-dasharray="6 3"' if number >= len(_COLORS) else ""
        points = " ".join(f"{x.place(size):.1f},{y.place(curve[size]):.1f}" for size in sorted(curve))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>')
        row = _TOP + 8 + 18 * number
        lines.append(_line(_WIDTH - _RIGHT + 12, row, _WIDTH - _RIGHT + 32, row, color, dashes))
        lines.append(_text(_WIDTH - _RIGHT + 38, row + 4, name, "start"))
    return "\n".join([*lines, "</svg>", ""])


class _Axis:
    """A logarithmic axis over whole powers of ten around `values`, from one place to another."""

    def __init__(self, values: list[int] | list[float], start: float, end: float) -> None:
        known = [math.log10(max(value, 1e-3)) for value in values] or [0.0]
        self._low = math.floor(min(known))
        self._high = max(math.ceil(max(known)), self._low + 1)
        self._start, self._end = start, end

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        share = (math.log10(max(value, 1e-3)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def _line(x1: float, y1: float, x2: float, y2: float, color: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
