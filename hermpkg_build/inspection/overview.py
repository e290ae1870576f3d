"""Looks over an artifact: what its bytes are for, its tensors by name, what it needs, what was edited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.texts import aligned, counted, first_of, size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.inspection.contents import Contents, RecordFacts, contents_of
from hermpkg_build.inspection.groups import Belongings, Group, GroupKind, edits_of
from hermpkg_build.inspection.pickle_records import PickleRecords
from hermpkg_build.inspection.requirements import Needed, needed_by
from hermpkg_build.inspection.tensors import ArchiveTensors, TensorFacts, largest, tensors_of_archive

_MOST_TENSORS = 5
_MOST_EDITS = 10
_MOST_RECORDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that ``hermpkg inspect`` tells of an artifact."""

    contents: Contents
    belongings: Belongings
    groups: tuple[Group, ...]
    tensors: ArchiveTensors
    needed: tuple[Needed, ...]

    def to_json(self) -> dict[str, Json]:
        """The form that ``hermpkg inspect --json`` prints."""
        value: dict[str, Json] = to_json(self.contents)
        value["groups"] = [
            {**to_json(group), "status": group.status, "must_be_installed": group.must_be_installed}
            for group in self.groups
        ]
        value.update(to_json(self.tensors))
        value["needed"] = to_json(self.needed)
        value["edited"] = [{"change": change, "record": name} for change, name in edits_of(self.contents)]
        return value


def overview_of(archive: ArchiveReader, pickles: PickleRecords | None = None) -> Overview:
    """Look over `archive`; every record is read once, pickles by `pickles`.

    Raises ArchiveError for damaged records.
    """
    contents = contents_of(archive)
    belongings = Belongings(archive, contents.manifest)
    return Overview(
        contents=contents,
        belongings=belongings,
        groups=belongings.groups(contents.records),
        tensors=tensors_of_archive(archive, contents.manifest, pickles),
        needed=needed_by(contents.manifest, belongings),
    )


def summary_lines(overview: Overview, *, everything: bool = False) -> Iterator[str]:
    """Give the lines of the summary and the records; without `everything` long lists are cut, and say so."""
    yield from head_lines(overview.contents)
    yield from _edited(overview.contents, everything)
    yield ""
    yield from _group_lines(overview.groups, overview.tensors)
    yield ""
    yield from _largest_lines(overview.tensors, everything)
    yield from _record_lines(overview.contents, everything)


def tensor_lines(tensors: Sequence[TensorFacts]) -> Iterator[str]:
    """Give a line for each tensor: bytes, type and shape, name, what it shares."""
    yield from aligned(
        (f"  {size_text(tensor.bytes):>9}", tensor.form, tensor.name, tensor.sharing) for tensor in tensors
    )


def head_lines(contents: Contents) -> Iterator[str]:
    """Say what the artifact is, how large it is, and what made it."""
    total = sum(record.bytes for record in contents.records)
    yield f"{contents.root}: {counted(len(contents.records), 'record')}, {size_text(total)}"
    manifest = contents.manifest
    if manifest is None:
        yield "no manifest: written by torch.package, not by hermpkg"
        return
    yield f"built by {manifest.tool.name} {manifest.tool.version} for Python {manifest.python_version}"
    for record, model in sorted(manifest.models.items()):
        yield f"{record} is {model.label}, made by {model.factory}"


def _edited(contents: Contents, everything: bool) -> Iterator[str]:
    """Tell what an edit has done, by the manifest and by the directory of the file."""
    lines = [f"{change} since it was built: {name}" for change, name in edits_of(contents)]
    lines += [f"there more than once, of which the last counts: {name}" for name in contents.duplicates]
    lines += [f"outside of {contents.root}/, where no reader looks: {name}" for name in contents.strays]
    yield from lines if everything else first_of(lines, _MOST_EDITS, "and {} more such records; -v lists all")


def _group_lines(groups: Sequence[Group], tensors: ArchiveTensors) -> Iterator[str]:
    rows = [("    bytes", "what", "version", "modules", "")]
    for group in groups:
        modules = group.packed + group.extern + group.mocked
        count = counted(len(tensors.tensors), "tensor") if group.kind is GroupKind.TENSORS else ""
        rows.append(
            (
                f"{size_text(group.bytes) if group.records else '-':>9}",
                group.title,
                group.version,
                str(modules) if modules else "",
                _status(group) or count or counted(group.records, "record"),
            )
        )
    yield from aligned(rows)


def _status(group: Group) -> str:
    wanted = f" ({group.requires})" if group.requires and group.extern else ""
    return f"{group.status}{wanted}"


def _largest_lines(tensors: ArchiveTensors, everything: bool) -> Iterator[str]:
    found = largest(tensors.tensors)
    if found:
        shown = found if everything else found[:_MOST_TENSORS]
        yield f"the largest of {len(found)} tensors:" if len(shown) < len(found) else "tensors:"
        yield from tensor_lines(shown)
    for name in tensors.unread:
        yield f"not read as a pickle, so that its tensors have no names here: {name}"
    if tensors.unnamed and not tensors.unread:
        yield f"{counted(len(tensors.unnamed), 'storage')} that no pickle names, such as {tensors.unnamed[0]}"
    if found or tensors.unread or tensors.unnamed:
        yield ""


def _record_lines(contents: Contents, everything: bool) -> Iterator[str]:
    records: Sequence[RecordFacts] = contents.records
    if everything or len(records) <= _MOST_RECORDS:
        yield f"records under {contents.root}/:"
    else:
        records = sorted(records, key=lambda record: (-record.bytes, record.name))[:_MOST_RECORDS]
        yield (
            f"the {_MOST_RECORDS} largest of {len(contents.records)} records under {contents.root}/ "
            "(-v lists all, --tree folds them by folder):"
        )
    yield from aligned(
        (
            f"  {size_text(record.bytes):>9}",
            record.kind,
            f"sha256:{record.sha256[:16]}",
            record.name + ("  changed since it was built" if record.as_built is False else ""),
        )
        for record in records
    )
