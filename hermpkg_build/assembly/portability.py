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
    differ = len({name.lower() for name in records}) == len(records)
    for name in sorted(records) if not differ else ():
        twin = first.setdefault(name.lower(), name)
        if twin != name:
            notes.append(f"{twin} and {name} differ only in case: torch.package reads one of them for both")
    externs = frozenset(extern_modules)
    folders = {name.rpartition("/")[0] for name in records}
    extern_above = {folder: above for folder in folders if (above := _extern_above(folder, externs))}
    for name in sorted(records) if extern_above else ():
        above = extern_above.get(name.rpartition("/")[0], "")
        if above:
            notes.append(f"{name} lies below the extern module {above}: torch.package refuses the archive")
    return tuple(notes)


def _extern_above(folder: str, externs: Collection[str]) -> str:
    """Return the nearest extern module that the records of a folder lie below; "" for none."""
    package = folder.replace("/", ".")
    return next((part for part in (package, *parents_of(package)) if part in externs), "")
