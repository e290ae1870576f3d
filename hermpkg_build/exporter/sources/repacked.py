"""The data files that come with modules of one package into another.

Which files packed code reads was found out when its first package was made, perhaps by running the code;
so all files beside its modules there come along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from hermpkg_build.analysis.distributions import owner_of_metadata
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.resource_records import data_files
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import Manifest, ManifestLicense, RecordKind
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.dataclass import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Repacked:
    """The data of `modules`: files by record, top-level modules that need real paths, versions, licences."""

    modules: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict)
    real: frozenset[str] = frozenset()
    distributions: Mapping[str, str] = field(default_factory=dict)
    licenses: Mapping[str, ManifestLicense] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        modules: Collection[str],
        packed: PackedModules,
        manifest: Manifest,
        read: Callable[[str], bytes],
    ) -> Repacked:
        """The data of `modules` in the package that holds `packed`, whose records `read` gives."""
        return cls(
            modules=frozenset(modules),
            files={record: bytes(read(record)) for record in _data_files(modules, packed, manifest)},
            real=frozenset(manifest.real_files) & {top_of(name) for name in modules},
            distributions=manifest.distributions,
            licenses=manifest.licenses or {},
        )

    def joined(self, other: Repacked) -> Repacked:
        """This and `other` together; this one counts where both have something."""
        return Repacked(
            modules=self.modules | other.modules,
            files={**other.files, **self.files},
            real=self.real | other.real,
            distributions={**other.distributions, **self.distributions},
            licenses={**other.licenses, **self.licenses},
        )

    def versions(self, graph: ModuleGraph, installed: Mapping[str, str]) -> dict[str, str]:
        """The versions of distributions: those `installed`, unless all their modules come from packages."""
        others = self._with_other_modules(graph)
        came = {name: version for name, version in self.distributions.items() if name not in others}
        return {**installed, **came}

    def with_licenses(
        self, graph: ModuleGraph, installed: Mapping[str, ManifestLicense]
    ) -> dict[str, ManifestLicense]:
        """What packed distributions say of their licences, chosen as `versions` chooses."""
        others = self._with_other_modules(graph)
        packed = {node.distribution for node in graph.with_policy(Policy.INTERN)}
        came = {name: each for name, each in self.licenses.items() if name in packed and name not in others}
        return {**installed, **came}

    def _with_other_modules(self, graph: ModuleGraph) -> set[str]:
        """The distributions that have modules which come from no package."""
        return {node.distribution for node in graph if node.name not in self.modules}


def _data_files(modules: Collection[str], packed: PackedModules, manifest: Manifest) -> list[str]:
    """The resources of a package that belong to some of its modules, or to their distributions."""
    resources = [name for name, record in manifest.records.items() if record.kind is RecordKind.RESOURCE]
    listed = [manifest.modules[name] for name in modules if name in manifest.modules]
    owners = {module.distribution for module in listed} - {""}
    metadata = [name for name in resources if owner_of_metadata(name.partition("/")[0]) in owners]
    stated = [each for name, each in (manifest.licenses or {}).items() if name in owners]
    files = [file for each in stated for file in each.files if file in manifest.records]
    return [*data_files(packed, modules, resources), *metadata, *files]
