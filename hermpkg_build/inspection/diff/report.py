"""Writes a comparison as lines for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermpkg_build.inspection.diff.differences import (
    Comparison,
    Detail,
    FactDifference,
    PickleDifference,
    PickleSide,
    RecordDifference,
    TensorDifference,
    TextDifference,
)

_MOST_LINES = 40
_MOST_DETAILS = 10
_MOST_FACTS = 20
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def comparison_lines(comparison: Comparison, *, everything: bool = False) -> Iterator[str]:
    """Return the lines of a comparison; without `everything` long lists are cut, with a line that says so."""
    if comparison.equal:
        yield "the same bytes"
        return
    yield from _facts(comparison.facts, everything)
    for record in comparison.records:
        yield from record_lines(record, everything=everything)
    for sentence in comparison.layout:
        yield f"! {sentence}"


def record_lines(record: RecordDifference, *, everything: bool = False) -> Iterator[str]:
    """Return the lines on one record."""
    sizes = [size for size in (record.bytes.a, record.bytes.b) if size is not None]
    size = " -> ".join(str(size) for size in dict.fromkeys(sizes)) + " bytes"
    yield f"{_SIGNS[record.change]} {record.name}  ({record.kind}, {size})"
    most = len(record.details) if everything else _MOST_DETAILS
    for detail in record.details[:most]:
        for line in detail_lines(detail, everything=everything):
            yield f"    {line}"
    left_out = max(0, len(record.details) - most) + record.left_out
    if left_out:
        yield f"    and {left_out} more"


def detail_lines(detail: Detail, *, everything: bool = False) -> Iterator[str]:
    """Return the lines on one difference within a record."""
    if isinstance(detail, PickleDifference):
        yield f"{detail.path}: {detail.what}"
        for sign, side in (("-", detail.a), ("+", detail.b)):
            if side is not None:
                yield f"  {sign} {_side(side)}"
        if detail.hint:
            yield f"  {detail.hint}"
    elif isinstance(detail, TensorDifference):
        yield from _tensor(detail)
    elif isinstance(detail, TextDifference):
        most = len(detail.lines) if everything else _MOST_LINES
        yield from detail.lines[:most]
        left_out = detail.left_out + max(0, len(detail.lines) - most)
        if left_out:
            yield f"... {left_out} more lines"
    else:
        yield f"bytes differ from offset {detail.offset} on"
        for sign, data in (("-", detail.a), ("+", detail.b)):
            yield f"  {sign} {data.hex(' ') or 'the end'}"


def _side(side: PickleSide) -> str:
    return f"{side.value}  ({side.opcode} at byte {side.offset})".strip()


def _tensor(detail: TensorDifference) -> Iterator[str]:
    if detail.count is None:
        became = f"{detail.a} became {detail.b}" if detail.a != detail.b else detail.a
        yield f"{detail.name}: {became}, {detail.note}"
        return
    by = "no finite difference" if detail.largest is None else f"by {detail.largest:.6g} at most"
    if detail.largest is not None and detail.unending:
        by += f", and {detail.unending} by no finite number"
    yield f"{detail.name}: {detail.a}, {detail.count} of {detail.total} elements differ, {by}"
    first = "" if detail.first is None else f"the first is [{', '.join(map(str, detail.first))}]"
    if first or detail.note:
        yield f"  {'; '.join(filter(None, (first, detail.note)))}"


def _facts(facts: Sequence[FactDifference], everything: bool) -> Iterator[str]:
    most = len(facts) if everything else _MOST_FACTS
    for fact in facts[:most]:
        if fact.a and fact.b:
            yield f"~ {fact.subject}: {fact.a} became {fact.b}"
        else:
            yield f"{'-' if fact.a else '+'} {fact.subject}: {fact.a or fact.b}"
    if len(facts) > most:
        yield f"  and {len(facts) - most} more such differences"
