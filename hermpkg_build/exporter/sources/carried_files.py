"""What modules that were packed before bring into another package: the data files that lie beside them.

Which files packed code reads was judged when its first package was made, where the code may have been
seen to read them; so all that lie beside its modules there go along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from hermpkg_build.analysis.distributions import owner_of_metadata
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import folder_of_module, module_of_record, top_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What comes with `modules`: files by record, top-level modules that want real paths, versions."""

    modules: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict)
    real: frozenset[str] = frozenset()
    distributions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, modules: Collection[str], manifest: Manifest, read: Callable[[str], bytes]) -> Carried:
        """What `modules` bring out of the package with `manifest`, whose records `read` gives."""
        known = frozenset(modules) & manifest.modules.keys()
        return cls(
            modules=known,
            files={record: read(record) for record in records_beside(known, manifest)},
            real=frozenset(manifest.real_files) & {top_of(name) for name in known},
            distributions=manifest.distributions,
        )

    def beside(self, other: Carried) -> Carried:
        """Both; what is in both is taken from this one."""
        return Carried(
            modules=self.modules | other.modules,
            files={**other.files, **self.files},
            real=self.real | other.real,
            distributions={**other.distributions, **self.distributions},
        )

    def versions(self, graph: ModuleGraph, installed: Mapping[str, str]) -> dict[str, str]:
        """The versions of distributions: of those that all come along, the ones that came."""
        others = {node.distribution for node in graph if node.name not in self.modules}
        came = {name: version for name, version in self.distributions.items() if name not in others}
        return {**installed, **came}


def records_beside(modules: Collection[str], manifest: Manifest) -> Iterator[str]:
    """The resources of a package that belong to `modules`, which it packs, or to their distributions.

    A file belongs to the modules of its folder, else to those of the nearest folder above that has any.
    """
    wanted = {folder_of_module(name, manifest.modules[name].is_package) for name in modules} - {""}
    places = [place for record in manifest.records if (place := module_of_record(record)) is not None]
    inhabited = {folder_of_module(*place) for place in places}
    owners = {manifest.modules[name].distribution for name in modules} - {""}
    for record, facts in manifest.records.items():
        if facts.kind is not RecordKind.RESOURCE:
            continue
        folder = record.rpartition("/")[0]
        while folder and folder not in inhabited:
            folder = folder.rpartition("/")[0]
        if folder in wanted or owner_of_metadata(record.partition("/")[0]) in owners:
            yield record
