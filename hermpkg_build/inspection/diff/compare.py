"""Compares two artifacts record by record: tensors by name, pickles by object, sources line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import prod

from hermpkg_build.archive.layout import BYTEORDER, EXTERN_MODULES, MANIFEST, PYTHON_VERSION
from hermpkg_build.archive.pieces import PIECE
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.all_cores import on_all_cores
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import kind_of_record, manifest_of
from hermpkg_build.inspection.diff.artifact_facts import compare_facts
from hermpkg_build.inspection.diff.differences import (
    BytesDifference,
    Comparison,
    Detail,
    RecordDifference,
    RecordSizes,
    TensorDifference,
)
from hermpkg_build.inspection.diff.file_layout import compare_layouts
from hermpkg_build.inspection.diff.first_difference import (
    find_difference,
    first_difference,
    first_difference_of_pieces,
)
from hermpkg_build.inspection.diff.object_graphs import (
    TensorPair,
    compare_graphs,
    compare_opcodes,
)
from hermpkg_build.inspection.diff.texts import diff_texts, text_of
from hermpkg_build.inspection.diff.views import compare_views
from hermpkg_build.pickles.reading.named_tensors import named_tensors
from hermpkg_build.pickles.reading.nodes import Node, read_pickle
from hermpkg_build.pickles.reading.tensors import Tensor

_STORAGE = str(RecordKind.STORAGE)
_PICKLE = str(RecordKind.PICKLE)
# These are compared as facts, not as records.
_FACTS = frozenset({MANIFEST, EXTERN_MODULES, PYTHON_VERSION})
_MOST_DETAILS = 100
_LARGEST_TEXT = 16 << 20
_EXCERPT = 16


def compare_archives(a: ArchiveReader, b: ArchiveReader) -> Comparison:
    """Return how the artifact `b` differs from `a`; both may be hermpkg's or torch.package's.

    Tensors are read a piece at a time; a pickle or a text that differs is read whole. Raises ArchiveError for
    damaged records.
    """
    place = first_difference(a.raw(), b.raw())
    if place is None:
        return Comparison(a=a.name, b=b.name, equal=True)
    pair = _Pair(a, b)
    records = tuple(pair.record_differences())
    facts = tuple(compare_facts(a, b, *pair.manifests))
    if not records and not facts:
        records = tuple(pair.differences_behind_facts())
    layout = tuple(compare_layouts(a, b))
    if not (records or facts or layout):
        layout = (f"the files begin to differ at byte {place}, outside of every record",)
    return Comparison(a=a.name, b=b.name, equal=False, records=records, facts=facts, layout=layout)


class _Pair:
    """Two archives that are compared; answers that are needed again are kept."""

    def __init__(self, a: ArchiveReader, b: ArchiveReader) -> None:
        self.a = a
        self.b = b
        self.manifests = manifest_of(a), manifest_of(b)
        self._same: dict[tuple[str, str], bool] = {}

    def differences_behind_facts(self) -> Iterator[RecordDifference]:
        """Compare the records behind the facts, for two that differ without any fact that does."""
        for name in sorted(_FACTS):
            if self.a.has(name) and self.b.has(name) and not self.same(name, name):
                yield self._changed(name, self.kind(name), self._details(name))

    def record_differences(self) -> Iterator[RecordDifference]:
        """Compare all records, in the order of their names, with storages paired by the tensors in them."""
        self._compare([(name, name) for name in self.a.names() if self.b.has(name)])
        found = list(self._plain_differences())
        if self._some_storage_differs or any(record.kind == _PICKLE for record in found):
            by_name = {record.name: record for record in found}
            for name in self._pickles:
                difference, tensors = self._compare_pickles(name)
                if difference is not None:
                    by_name[name] = difference
                for record in tensors:
                    by_name[record.name] = _merged(by_name.get(record.name), record)
            found = list(by_name.values())
            found += self._unexplained_storages({record.name for record in found})
        yield from sorted(found, key=lambda record: record.name)

    def _plain_differences(self) -> Iterator[RecordDifference]:
        """Compare all records except storages; pickles have no details yet."""
        for name in sorted({*self.a.names(), *self.b.names()} - _FACTS):
            kind = self.kind(name)
            if kind == _STORAGE:
                continue
            if not (self.a.has(name) and self.b.has(name)):
                yield self._only_in_one(name, kind)
            elif not self.same(name, name):
                details = () if kind == _PICKLE else self._details(name)
                yield self._changed(name, kind, details)

    def kind(self, name: str) -> str:
        holder = 0 if self.a.has(name) else 1
        return kind_of_record(self.manifests[holder], name)

    @cached_property
    def _pickles(self) -> list[str]:
        both = set(self.a.names()) & set(self.b.names())
        return [name for name in sorted(both) if self.kind(name) == _PICKLE]

    @cached_property
    def _some_storage_differs(self) -> bool:
        names = {name for name in (*self.a.names(), *self.b.names()) if self.kind(name) == _STORAGE}
        return any(
            not (self.a.has(name) and self.b.has(name)) or not self.same(name, name) for name in sorted(names)
        )

    def same(self, a: str, b: str) -> bool:
        """Whether two records hold the same bytes."""
        if (a, b) not in self._same:
            self._compare([(a, b)])
        return self._same[a, b]

    def _compare(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Compare records of `a` with records of `b`, on all cores."""
        alike = [(a, b) for a, b in pairs if self.a.size(a) == self.b.size(b)]
        places = on_all_cores([find_difference(self.a.pieces(a), self.b.pieces(b)) for a, b in alike])
        self._same.update(dict.fromkeys(pairs, False))
        self._same.update(zip(alike, (place is None for place in places), strict=True))

    def _only_in_one(self, name: str, kind: str) -> RecordDifference:
        here = self.a.has(name)
        size = (self.a if here else self.b).size(name)
        return RecordDifference(
            name=name,
            kind=kind,
            change="removed" if here else "added",
            bytes=RecordSizes(a=size if here else None, b=None if here else size),
        )

    def _changed(
        self, name: str, kind: str, details: Sequence[Detail], other: str = "", left_out: int = 0
    ) -> RecordDifference:
        """Return the difference of the record `name` of `a` from the record `other` of `b` ("": `name`)."""
        shown = tuple(details[:_MOST_DETAILS])
        return RecordDifference(
            name=name,
            kind=kind,
            change="changed",
            bytes=RecordSizes(a=self.a.size(name), b=self.b.size(other or name)),
            details=shown,
            left_out=left_out + len(details) - len(shown),
        )

    def _details(self, name: str) -> Sequence[Detail]:
        """Compare a record that is not a pickle: as text where both are text, else as bytes."""
        if max(self.a.size(name), self.b.size(name)) <= _LARGEST_TEXT:
            a, b = text_of(self.a.read(name)), text_of(self.b.read(name))
            if a is not None and b is not None:
                return [diff_texts(a, b)]
        return [self._bytes_difference(name)]

    def _bytes_difference(self, name: str, other: str = "") -> BytesDifference:
        """Compare the record `name` of `a` with the record `other` of `b` ("": `name`)."""
        records = ((self.a, name), (self.b, other or name))
        offset = first_difference_of_pieces(*(reader.pieces(record) for reader, record in records))
        if offset is None:
            raise ArchiveError("a record changed while it was compared")
        shown = [_excerpt(reader.pieces(record), offset) for reader, record in records]
        return BytesDifference(offset=offset, a=shown[0], b=shown[1])

    def _compare_pickles(self, name: str) -> tuple[RecordDifference | None, list[RecordDifference]]:
        """Return the difference of the pickle itself, and those of the storages of its tensors."""
        if self.a.entry(name).is_inflated or self.b.entry(name).is_inflated:
            same = self.same(name, name)
            return None if same else self._changed(name, _PICKLE, [self._bytes_difference(name)]), []
        data = self.a.read(name), self.b.read(name)
        try:
            graphs = read_pickle(data[0]), read_pickle(data[1])
        except ValueError:
            # It has the name of a pickle, but is not one.
            changed = None if data[0] == data[1] else self._changed(name, _PICKLE, self._details(name))
            return changed, []
        compared = compare_graphs(*graphs, name)
        pairs = [(pair, self._compare_tensors(name, pair)) for pair in compared.tensors]
        tensors = [(pair, difference) for pair, difference in pairs if difference is not None]
        shown = {tensor.a.storage.record for tensor, _ in tensors}
        hidden = [pair for pair in compared.storages if pair[0] not in shown and self._differ(*pair)]
        details: list[Detail] = list(compared.differences)
        details += [tensor for _, tensor in tensors if tensor.count is None]
        if data[0] != data[1] and not details:
            details += compare_opcodes(*data, graphs[0], name)
        left_out = compared.total - len(compared.differences)
        difference = self._changed(name, _PICKLE, details, left_out=left_out) if details else None
        storages = self._by_storage([tensor for tensor in tensors if tensor[1].count is not None])
        return difference, [*storages, *(self._hidden_difference(*each) for each in hidden)]

    def _differ(self, a: str, b: str) -> bool:
        return self.a.has(a) and self.b.has(b) and not self.same(a, b)

    def _hidden_difference(self, a: str, b: str) -> RecordDifference:
        """Return how two storages differ where no tensor shows it: beyond its elements, or without any."""
        return self._changed(a, _STORAGE, [self._bytes_difference(a, b)], other=b)

    def _by_storage(self, tensors: Sequence[tuple[TensorPair, TensorDifference]]) -> list[RecordDifference]:
        """Return the differences of the storages of tensors, each under its name in `a`."""
        groups: dict[str, list[tuple[TensorPair, TensorDifference]]] = {}
        for pair, difference in tensors:
            groups.setdefault(pair.a.storage.record, []).append((pair, difference))
        return [
            self._changed(record, _STORAGE, [d for _, d in group], other=group[0][0].b.storage.record)
            for record, group in sorted(groups.items())
        ]

    def _compare_tensors(self, pickle: str, pair: TensorPair) -> TensorDifference | None:
        a, b = pair.a, pair.b
        base = TensorDifference(name=pair.name, pickle=pickle, a=str(a), b=str(b))
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return replace(base, note="another type or shape")
        for reader, tensor in ((self.a, a), (self.b, b)):
            if not reader.has(tensor.storage.record):
                return replace(base, note=f"{reader.name} lacks {tensor.storage.record}")
        note = "" if (a.stride, a.offset) == (b.stride, b.offset) else "another layout in its storage"
        if self.same(a.storage.record, b.storage.record) and not note:
            return None
        if self.a.entry(a.storage.record).is_inflated or self.b.entry(b.storage.record).is_inflated:
            return replace(base, note=note or "compressed too much to be compared by its elements")
        data = self._data(self.a, a), self._data(self.b, b)
        sizes = self._element_size(self.a, a), self._element_size(self.b, b)
        if sizes[0] != sizes[1] or any(
            len(each) != tensor.span[1] * sizes[0] for each, tensor in zip(data, (a, b), strict=True)
        ):
            return replace(base, note=note or "storages of other sizes")
        found = compare_views(data, (a, b), sizes[0])
        if not found.count:
            return replace(base, note=note) if note else None
        return replace(
            base,
            count=found.count,
            total=found.total,
            first=None if found.first is None else _index(a.shape, found.first),
            largest=found.largest,
            unending=found.unending,
            note=note,
        )

    def _element_size(self, reader: ArchiveReader, tensor: Tensor) -> int:
        if tensor.element_size == 1 and tensor.storage.count:
            # An element of an unknown type is as long as the storage says.
            return max(1, reader.size(tensor.storage.record) // tensor.storage.count)
        return tensor.element_size

    def _data(self, reader: ArchiveReader, tensor: Tensor) -> memoryview:
        """Return the bytes from a tensor's first element to its last, also those between them."""
        start, count = tensor.span
        size = self._element_size(reader, tensor)
        view = reader.view(tensor.storage.record)[start * size : (start + count) * size]
        if reader.has(BYTEORDER) and reader.read(BYTEORDER).strip() == b"big" and size > 1:
            return memoryview(b"".join(bytes(view[i : i + size])[::-1] for i in range(0, len(view), size)))
        return view

    def _unexplained_storages(self, explained: set[str]) -> Iterator[RecordDifference]:
        """Compare the storages that no comparison of tensors has `explained`.

        Storages of tensors that only one archive has are added or removed. One that has another number now,
        because a tensor before it was added or removed, is no difference.
        """
        left = [
            name
            for name in sorted({*self.a.names(), *self.b.names()} - explained)
            if self.kind(name) == _STORAGE and not (self._is_in_both(name) and self.same(name, name))
        ]
        if not left:
            return  # Pickles with many tensors take long to read.
        used = self._used_storages(self.a), self._used_storages(self.b)
        tensors = [frozenset(each.values()) for each in used]
        for name in left:
            if self._is_in_both(name):
                if name not in used[0] and name not in used[1]:
                    yield self._changed(name, _STORAGE, [self._bytes_difference(name)])
                continue
            holder = 0 if self.a.has(name) else 1
            # Its tensor may have a storage with another number in the other archive.
            if used[holder].get(name) not in tensors[1 - holder]:
                yield self._only_in_one(name, _STORAGE)

    def _is_in_both(self, name: str) -> bool:
        return self.a.has(name) and self.b.has(name)

    def _used_storages(self, reader: ArchiveReader) -> Mapping[str, str]:
        """Return the storages that pickles use, each with the first tensor that uses it."""
        used: dict[str, str] = {}
        for name in reader.names():
            if self.kind(name) != _PICKLE or reader.entry(name).is_inflated:
                continue
            try:
                graph: Node = read_pickle(reader.read(name))
            except ValueError:
                continue
            for tensor in named_tensors(graph, name):
                used.setdefault(tensor.storage.record, f"{name} {tensor.names[0]}")
        return used


def _merged(before: RecordDifference | None, record: RecordDifference) -> RecordDifference:
    """Join the differences of a storage that tensors of several pickles use."""
    if before is None:
        return record
    details = (*before.details, *record.details)
    return replace(record, details=details, left_out=before.left_out + record.left_out)


def _index(shape: Sequence[int], place: int) -> tuple[int, ...]:
    """Return the index of element number `place` of a tensor."""
    index: list[int] = []
    for dimension in range(len(shape)):
        below = prod(shape[dimension + 1 :])
        index.append(place // below)
        place %= below
    return tuple(index)


def _excerpt(pieces: Iterable[memoryview], offset: int) -> bytes:
    """Return the sixteen bytes from `offset` on."""
    found = b""
    for number, piece in enumerate(pieces):
        start = offset - number * PIECE
        found += bytes(piece[max(0, start) : max(0, start + _EXCERPT)])
        if len(piece) >= start + _EXCERPT:
            break
    return found
