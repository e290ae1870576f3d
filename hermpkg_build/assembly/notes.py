"""What is sound here, but is not read the same everywhere: notes on the names in an artifact."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hermpkg_build.core.module_names import parents_of


def portability_notes(records: Sequence[str], extern_modules: Collection[str]) -> tuple[str, ...]:
    """A sentence for each oddity among the names of an artifact's `records`, in their order.

    torch's own importer finds records without regard to the case of ASCII letters, so that of two
    which differ in nothing else it reads one for both; a disk may not keep both either. And it
    refuses archives with records below an extern module.
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
