"""Notes on names in an artifact that torch.package, or another disk, does not read as hermpkg does."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hermpkg_build.core.module_names import parents_of


def portability_notes(records: Sequence[str], extern_modules: Collection[str]) -> tuple[str, ...]:
    """Return a sentence for each such name among an artifact's `records`.

    torch's own importer ignores the case of ASCII letters in names, so that it reads one record for two that
    differ in case only; some disks cannot keep both either. It refuses archives with records below an extern
    module.
    """
    notes = []
    first: dict[str, str] = {}
    for name in sorted(records):
        twin = first.setdefault(name.lower(), name)
        if twin != name:
            notes.append(f"{twin} and {name} differ only in case: torch.package reads one of them for both")
    for name in sorted(records):
        package = name.rpartition("/")[0].replace("/", ".")
        above = next((part for part in (package, *parents_of(package)) if part in extern_modules), "")
        if above:
            notes.append(f"{name} lies below the extern module {above}: torch.package refuses the archive")
    return tuple(notes)
