"""Makes the table of licences of a bill: who says what, what that demands, and which model needs it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hermpkg_build.core.texts import aligned, counted, listed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.provenance.bill import Bill, Part, PartKind
from hermpkg_build.provenance.licenses import License, license_of_nobody

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseRow:
    """The licence of one packed distribution, or of a packed module of which nothing says whose it is.

    `license` is an SPDX expression, or else what its metadata say; `expression` is "" unless the first.
    `demand` is what it demands of whoever passes the artifact on, `known_by` what one knows all this by, and
    `stated` the words of the metadata. `files` are the records of its licence files, and `needed_by` the
    pickles of the models that lead to it.
    """

    name: str
    version: str
    license: str
    expression: str
    demand: str
    known_by: str
    stated: tuple[str, ...]
    files: tuple[str, ...]
    needed_by: tuple[str, ...]


def license_rows(bill: Bill, refused: Collection[str] | None = None) -> tuple[LicenseRow, ...]:
    """Return a row for each packed distribution, those that demand the most first.

    Where something is `refused`, only the rows whose licences leave no choice without it; see
    `License.is_among`.
    """
    users = _users(bill)
    found = [
        (license_, part)
        for part, license_ in _licensed(bill)
        if refused is None or license_.is_among(refused)
    ]
    found.sort(key=lambda each: (-each[0].demand.strictness, each[1].name))
    return tuple(_row(part, license_, users.get(part.ref, ())) for license_, part in found)


def table_lines(bill: Bill, *, everything: bool = False) -> Iterator[str]:
    """Give the lines of the table, and what it is silent about; with `everything` the licence files, too."""
    rows = license_rows(bill)
    if not rows:
        yield "no packed code of others"
    yield from aligned(_cells(rows))
    if everything:
        for row in rows:
            yield ""
            yield f"{row.name}: {counted(len(row.files), 'licence file')}"
            yield from (f"  {file}" for file in row.files)
            yield from (f"  says: {words}" for words in row.stated)
    yield ""
    own = [part.name for part in bill.of_kind(PartKind.OWN_CODE) if _is_packed(part)]
    if own:
        names = listed(own, _MOST_LISTED)
        yield f"{names}: no distribution installs it, and nothing is recorded of its licence"
    outside = [part.name for part in bill.of_kind(PartKind.DISTRIBUTION) if not _is_packed(part)]
    if outside:
        shown = listed(outside, _MOST_LISTED)
        yield f"not packed, and under their own terms where they are installed: {shown}"
    yield from bill.unknown


def _cells(rows: Sequence[LicenseRow]) -> Iterator[tuple[str, ...]]:
    if rows:
        yield "distribution", "version", "licence", "demands", "texts", "known by", "needed by"
    for row in rows:
        needed_by = ", ".join(row.needed_by) or "-"
        texts = str(len(row.files) or "none")
        yield row.name, row.version or "-", row.license, row.demand, texts, row.known_by, needed_by


def _licensed(bill: Bill) -> Iterator[tuple[Part, License]]:
    """Give the parts that are code of others inside the artifact, each with its licence."""
    for part in bill.of_kind(PartKind.DISTRIBUTION):
        if part.license is not None:
            yield part, part.license
    for part in bill.of_kind(PartKind.MODULE):
        if _is_packed(part):
            yield part, license_of_nobody(is_recorded=bool(bill.built_by))


def _is_packed(part: Part) -> bool:
    return part.status == "packed"


def _users(bill: Bill) -> dict[str, tuple[str, ...]]:
    """Map the `ref` of each part to the models that need it, however far."""
    needs = {part.ref: part.needs for part in bill.parts}
    users: dict[str, list[str]] = {}
    for model in bill.of_kind(PartKind.MODEL):
        reached = {model.ref}
        queue = [model.ref]
        for ref in queue:
            new = [other for other in needs.get(ref, ()) if other not in reached]
            reached.update(new)
            queue += new
        for ref in reached:
            users.setdefault(ref, []).append(model.name)
    return {ref: tuple(sorted(names)) for ref, names in users.items()}


def _row(part: Part, license_: License, needed_by: tuple[str, ...]) -> LicenseRow:
    return LicenseRow(
        name=part.name,
        version=part.version,
        license=license_.text,
        expression=license_.expression,
        demand=str(license_.demand),
        known_by=str(license_.basis),
        stated=license_.stated,
        files=part.license_files,
        needed_by=needed_by,
    )
