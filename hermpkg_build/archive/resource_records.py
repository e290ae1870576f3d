"""Which records resources have: those that are saved anew, and those that lie beside modules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from hermpkg_build.archive.layout import problem_with_name, resource_record_name
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.core.module_names import folder_of_module, parents_of


def free_record(package: str, resource: str, taken: Collection[str]) -> str:
    """Return the record of a new resource. Raises ValueError for one that is malformed, or is `taken`."""
    record = resource_record_name(package, resource)
    if problem := problem_with_name(record):
        raise ValueError(f"{record!r} cannot be the name of a record: {problem}")
    if record in taken:
        raise ValueError(f"{resource!r} of {package!r} is saved already")
    return record


def data_files(packed: PackedModules, modules: Iterable[str], files: Iterable[str]) -> Iterator[str]:
    """Return those of the records `files`, none of which is a module's source, that belong to `modules`.

    A file belongs to the modules of its folder, or of the nearest folder above it that has modules. In a
    namespace package that only has modules further below it belongs to all of these.
    """
    direct = {folder_of_module(name, packed.is_package(name)) for name in packed.sources}
    inhabited = direct | {folder_of_module(name, True) for name in packed.above_sources}
    wanted: set[str] = set()
    for module in modules:
        folders = [folder_of_module(module, packed.is_package(module))]
        folders += [folder_of_module(parent, True) for parent in parents_of(module)]
        wanted.update([folders[0], *(folder for folder in folders if folder not in direct)])
    wanted.discard("")
    for file in files:
        folder = file.rpartition("/")[0]
        while folder and folder not in inhabited:
            folder = folder.rpartition("/")[0]
        if folder in wanted:
            yield file
