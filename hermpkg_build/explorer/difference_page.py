"""Gathers what the page of two artifacts shows: what changed, how many bytes of it, tensors, code, facts."""

from __future__ import annotations

from collections.abc import Iterator

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.explorer.byte_tree import ByteTree, place_of_record, place_of_tensor
from hermpkg_build.inspection.diff.compare import compare_archives
from hermpkg_build.inspection.diff.differences import (
    Comparison,
    RecordDifference,
    TensorDifference,
    TextDifference,
)
from hermpkg_build.inspection.diff.texts import text_of
from hermpkg_build.inspection.overview import Overview, head_lines, overview_of
from hermpkg_build.inspection.tensors import TensorFacts

_LARGEST_TEXT = 1 << 20
_MOST_LINES = 200


def difference_page(a: ArchiveReader, b: ArchiveReader) -> dict[str, Json]:
    """Return the data of the page on how `b` differs from `a`. Raises ArchiveError for damaged records."""
    comparison = compare_archives(a, b)
    names = short_names(a.name, b.name)
    sides = _Side(a), _Side(b)
    tree = ByteTree()
    for number, record in enumerate(comparison.records):
        for path, size in _changed_bytes(record, *sides):
            tree.add(path, size, record.change, number)
        for _, tensor in _reshaped(*sides, record.name):
            tree.add(place_of_tensor(tensor), max(1, tensor.bytes), "changed", number)
    return {
        "page": "difference",
        "title": " and ".join(names),
        "head": [_line_on(*each) for each in zip(names, sides, strict=True)],
        "equal": comparison.equal,
        "tree": tree.to_json(),
        "changes": [_change_json(record, a, b) for record in comparison.records],
        "tensors": list(_tensor_rows(comparison, *sides)),
        "facts": to_json(comparison.facts),
        "layout": list(comparison.layout),
    }


class _Side:
    """One of the two artifacts, with its tensors by name and by storage."""

    def __init__(self, archive: ArchiveReader) -> None:
        self.overview: Overview = overview_of(archive)
        self.records = {record.name: record for record in self.overview.contents.records}
        self.named: dict[tuple[str, str], TensorFacts] = {}
        self.stored: dict[str, list[TensorFacts]] = {}
        for tensor in self.overview.tensors.tensors:
            for name in (tensor.name, *tensor.also):
                self.named[tensor.pickle, name] = tensor
            self.stored.setdefault(tensor.storage, []).append(tensor)


def short_names(a: str, b: str) -> tuple[str, str]:
    """Shorten two paths to as many of their last segments as tell them apart: a page can be sent.

    >>> short_names("/home/me/old/net.pt", "/home/me/new/net.pt"), short_names("x/a.pt", "x/b.pt")
    (('old/net.pt', 'new/net.pt'), ('a.pt', 'b.pt'))
    """
    left, right = a.split("/"), b.split("/")
    count = 1
    while left[-count:] == right[-count:] and count < max(len(left), len(right)):
        count += 1
    return "/".join(left[-count:]), "/".join(right[-count:])


def _line_on(name: str, side: _Side) -> str:
    return f"{name}: {'; '.join(head_lines(side.overview.contents))}"


def _change_json(record: RecordDifference, a: ArchiveReader, b: ArchiveReader) -> dict[str, Json]:
    """The form of a difference; a text that only one artifact has stands in it line by line."""
    value: dict[str, Json] = to_json(record)
    side, sign = (a, "-") if record.change == "removed" else (b, "+")
    is_text = record.kind in (RecordKind.MODULE, RecordKind.MOCK, RecordKind.RESOURCE)
    if record.change != "changed" and is_text and side.size(record.name) <= _LARGEST_TEXT:
        text = text_of(side.read(record.name))
        if text is not None:
            lines = text.splitlines()
            shown = TextDifference(
                lines=tuple(f"{sign}{line}" for line in lines[:_MOST_LINES]),
                left_out=max(0, len(lines) - _MOST_LINES),
            )
            value["details"] = [to_json(shown)]
    return value


def _changed_bytes(record: RecordDifference, a: _Side, b: _Side) -> Iterator[tuple[list[str], int]]:
    """Give the places in the tree that a difference has, with about how many bytes of each differ."""
    side = b if record.name in b.records else a
    if record.kind == RecordKind.STORAGE:
        tensors = [detail for detail in record.details if isinstance(detail, TensorDifference)]
        for detail in tensors:
            facts = b.named.get((detail.pickle, detail.name)) or a.named.get((detail.pickle, detail.name))
            if facts is not None:
                part = (detail.count or 0) / detail.total if detail.total else 1.0
                yield place_of_tensor(facts), max(1, round(facts.bytes * part))
        if not tensors:
            found = side.stored.get(record.name)
            path = place_of_tensor(found[0]) if found else ["tensors", record.name]
            yield path, max(1, *(size or 0 for size in (record.bytes.a, record.bytes.b)))
        return
    group = side.overview.belongings.of_record(record.name, record.kind)
    path, _ = place_of_record(side.records[record.name], group)
    size = max(record.bytes.a or 0, record.bytes.b or 0)
    texts = [detail for detail in record.details if isinstance(detail, TextDifference)]
    if record.change == "changed" and texts:
        size = sum(len(line) for text in texts for line in text.lines if line[:1] in "+-")
    yield path, max(1, size)


def _reshaped(a: _Side, b: _Side, pickle: str = "") -> Iterator[tuple[TensorFacts, TensorFacts]]:
    """Give the tensors of both (of one `pickle`, or of all) that have another type or shape now."""
    for (record, name), tensor in b.named.items():
        before = a.named.get((record, name))
        is_first = name == tensor.name and (not pickle or record == pickle)
        if is_first and before is not None and before.form != tensor.form:
            yield before, tensor


def _tensor_rows(comparison: Comparison, a: _Side, b: _Side) -> Iterator[dict[str, Json]]:
    """Give each tensor that differs or that only one artifact has."""
    for record in comparison.records:
        for detail in record.details:
            if isinstance(detail, TensorDifference) and detail.a == detail.b:
                value: dict[str, Json] = to_json(detail)
                yield value
    for before, after in _reshaped(a, b):
        note = "another type or shape"
        yield {"name": after.name, "pickle": after.pickle, "a": before.form, "b": after.form, "note": note}
    for side, other, change in ((a, b, "removed"), (b, a, "added")):
        for (pickle, name), tensor in side.named.items():
            if name == tensor.name and (pickle, name) not in other.named:
                forms = {"a": tensor.form if side is a else "", "b": tensor.form if side is b else ""}
                yield {"name": name, "pickle": pickle, **forms, "note": change}
