"""PackageExporter: packs code, objects, texts and bytes into one package."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hermpkg_build.analysis.closure import pickle_roots
from hermpkg_build.analysis.module_finder import generated_module
from hermpkg_build.assembly.artifact import ArtifactRequest, lay_out_parts
from hermpkg_build.core.digest import Bytes
from hermpkg_build.core.globs import GlobPattern
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.graph_dot import to_dot
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.core.module_names import package_of_init
from hermpkg_build.core.module_roles import ModuleKind, Policy
from hermpkg_build.errors import AnalysisError, GroupedError, Location
from hermpkg_build.exporter.broken_modules import call_text, raise_for
from hermpkg_build.exporter.destination import destination_of
from hermpkg_build.exporter.environment import installed_environment
from hermpkg_build.exporter.errors import PackagingError
from hermpkg_build.exporter.export_analysis import ExportAnalysis, analyse_export
from hermpkg_build.exporter.names import (
    encoded_source,
    is_pickle,
    pickle_name,
    plain_name,
    source_files,
)
from hermpkg_build.exporter.pickling import PackagePickler
from hermpkg_build.exporter.plan import calling_location
from hermpkg_build.exporter.policies import ModulePolicies
from hermpkg_build.exporter.saved_data import SavedData, data_files
from hermpkg_build.exporter.sources.available_modules import AvailableModules
from hermpkg_build.exporter.sources.given_importers import importers_in_order
from hermpkg_build.loading.forms import is_version_specifier
from hermpkg_build.runtime.contents.file_tree import Directory
from hermpkg_build.runtime.importer_protocol import AnyImporter, OrderedImporter, sys_importer
from hermpkg_build.runtime.mangling import demangle

if TYPE_CHECKING:
    from hermpkg_build.archive.records import Record
    from hermpkg_build.archive.writer import BinaryDestination

_PROTOCOLS = (3, 4, 5)
_ROOT = "archive"

_Self = TypeVar("_Self", bound="PackageExporter")


class PackageExporter(ModulePolicies):
    """Writes a package: modules with what they import, pickled objects, texts and bytes.

    `f` is a path or a binary stream; `importer` one importer or several in order, which say where
    modules and the classes of objects come from. What becomes of each module is decided when the
    package is closed, by the first of the `intern`, `extern`, `mock` and `deny` calls that matches it;
    the standard library and torch are extern unless a call names them. Nothing is written before that
    succeeds: a file is replaced as a whole, or stays as it was.

    With `debug`, errors list all imports of a broken module. `requires` are the versions (PEP 440) of
    distributions that whoever opens the package must have. The bytes depend only on the data saved;
    `root` is the folder that the archive unpacks to. Modules that only functions import may be absent: they
    are left out with a warning, unless `strict_imports`.
    Raises TypeError for another `f` or `importer`, OutputError for a path that cannot be written, ValueError
    for a malformed version.

    >>> with PackageExporter("model.pt") as exporter:
    ...     exporter.intern("app.**")
    ...     exporter.save_source_string("app.main", "import json")
    ...     exporter.save_pickle("model", "model.pkl", {"classes": 10})
    >>> exporter.interned_modules(), exporter.externed_modules()
    (['app.main'], ['json'])
    """

    def __init__(
        self,
        f: str | os.PathLike[str] | os.PathLike[bytes] | BinaryDestination,
        importer: AnyImporter | Sequence[AnyImporter] = sys_importer,
        debug: bool = False,
        *,
        requires: Mapping[str, str] | None = None,
        root: str = _ROOT,
        strict_imports: bool = False,
    ) -> None:
        super().__init__()
        self.debug = debug
        self.importer: AnyImporter = _one_importer(importer)
        self._destination = destination_of(f)
        self._requires = dict(requires or {})
        for name, text in self._requires.items():
            if not is_version_specifier(text):
                expected = "is a PEP 440 version specifier, such as '>=2.4,<3'"
                raise ValueError(f"requires[{name!r}] {expected}, not {text!r}")
        self._root = root
        self._strict_imports = strict_imports
        self._saved = SavedData(self._destination, root)
        self._pickler = PackagePickler(self, self.importer, self._saved.storages, self._plan)
        self._analysed: tuple[tuple[int, int], ExportAnalysis] | None = None
        self._written: tuple[str, ...] = ()
        self._next_id = 0

    # ---- modules

    def save_module(self, module_name: str, dependencies: bool = True) -> None:
        """Pack the module `module_name` as the importers have it; with `dependencies`, what it imports too.

        Raises ModuleNotFoundError.
        """
        self._check_open()
        name = plain_name(module_name, self.importer)
        if AvailableModules(self.importer, lambda _name: True).find(name) is None:
            raise ModuleNotFoundError(f"no importer of this exporter has a module {name!r}", name=name)
        self._plan.save(name, cause="save_module", dependencies=dependencies)

    def save_source_string(
        self, module_name: str, src: str | bytes, is_package: bool = False, dependencies: bool = True
    ) -> None:
        """Pack `src` as the source of the module `module_name`, in place of any saved before."""
        self._check_open()
        self._give_source(module_name, encoded_source(src), is_package, dependencies, "save_source_string")

    def save_source_file(
        self, module_name: str, file_or_directory: str | os.PathLike[str], dependencies: bool = True
    ) -> None:
        """Pack a file as the source of `module_name`, or all Python files below a folder as its package.

        A file ``__init__.py`` makes a package. The ``__file__`` of a packaged module is a file, too. Raises
        OSError.
        """
        self._check_open()
        path = os.fspath(file_or_directory)
        for name, is_package, data in source_files(module_name, path):
            self._give_source(name, data, is_package, dependencies, "save_source_file")

    def add_dependency(self, module_name: str, dependencies: bool = True) -> None:
        """Treat the module `module_name` by the rules, as if a packed module imported it."""
        self._check_open()
        name = plain_name(module_name, self.importer)
        self._plan.need(name, cause="add_dependency", dependencies=dependencies)

    # ---- objects and resources

    def save_pickle(
        self, package: str, resource: str, obj: Any, dependencies: bool = True, pickle_protocol: int = 3
    ) -> None:
        """Pack `obj` as a pickle under the name `resource` of `package`; with `dependencies`, its code too.

        Raises PicklingError with the path to the object that cannot be pickled.
        """
        self._check_open()
        if pickle_protocol not in _PROTOCOLS:
            raise ValueError(f"pickle_protocol is 3, 4 or 5, not {pickle_protocol!r}")
        record = self._saved.reserve(package, resource)
        stem = resource.partition(".")[0]
        pickled = self._pickler.pickle(
            obj,
            protocol=pickle_protocol,
            name=stem if stem.isidentifier() else "obj",
            cause=f"the pickle {record}",
        )
        self._saved.add(self._saved.reserve(package, resource), pickled.data, RecordKind.PICKLE)
        if dependencies:
            references = [(reference.module, reference.name) for reference in pickled.globals]
            self._plan.add_roots(
                [*pickle_roots(pickle_name(package, resource), references, calling_location())]
            )

    def save_text(self, package: str, resource: str, text: str) -> None:
        """Pack `text`, in UTF-8, under the name `resource` of `package`."""
        self.save_binary(package, resource, text.encode())

    def save_binary(self, package: str, resource: str, binary: Bytes) -> None:
        """Pack `binary` under the name `resource` of `package`. Raises TypeError for anything else."""
        self._check_open()
        record = self._saved.reserve(package, resource)
        # A view first: bytes() of a number would be that many zeros.
        self._saved.add(record, bytes(memoryview(binary)), RecordKind.RESOURCE)

    def get_unique_id(self) -> str:
        """A number that this exporter returns only once."""
        number = self._next_id
        self._next_id += 1
        return str(number)

    # ---- results

    def interned_modules(self) -> list[str]:
        """The modules that are packed, sorted."""
        return self._with_policy(Policy.INTERN)

    def externed_modules(self) -> list[str]:
        """The modules that are left to the loading environment, sorted."""
        return self._with_policy(Policy.EXTERN)

    def mocked_modules(self) -> list[str]:
        """The modules that are replaced by stand-ins, sorted."""
        return self._with_policy(Policy.MOCK)

    def denied_modules(self) -> list[str]:
        """The modules that are needed in spite of a `deny`, sorted."""
        return self._with_policy(Policy.DENY)

    @property
    def extern_modules(self) -> list[str]:
        """The same as `externed_modules`."""
        return self.externed_modules()

    @property
    def dependency_graph(self) -> ModuleGraph:
        """All modules that were reached, and the imports that connect them."""
        return self._analyse().graph

    def get_rdeps(self, module_name: str) -> list[str]:
        """The modules and pickles that depend on the module `module_name` directly, sorted."""
        analysis = self._analyse()
        name = demangle(module_name)
        edges = [*analysis.graph.importers_of(name)]
        edges += [problem.trail[-1] for problem in analysis.problems if problem.trail]
        nodes = analysis.graph.nodes
        return sorted(
            {e.source for e in edges if e.target == name and (e.source in nodes or is_pickle(e.source))}
        )

    def all_paths(self, src: str, dst: str) -> str:
        """All paths of imports from `src` to `dst`, in the DOT language."""
        return to_dot(self.dependency_graph.all_paths(demangle(src), demangle(dst)))

    def dependency_graph_string(self) -> str:
        """All modules and pickles and what they depend on, in the DOT language."""
        return to_dot(self.dependency_graph)

    def file_structure(self, include: GlobPattern = "**", exclude: GlobPattern = ()) -> Directory:
        """The files that the package has, or would have now, as a printable tree."""
        names = self._written or [record.name for record in self._lay_out(self._analyse())]
        name = getattr(self._destination, "path", "<binary>")
        return Directory.of_files(name, names, include=include, exclude=exclude)

    # ---- called by torch

    @property
    def script_module_serializer(self) -> Any:
        """The torch ScriptModuleSerializer that TorchScript modules write themselves with."""
        self._check_open()
        return self._saved.torchscript.serializer

    @property
    def storage_context(self) -> Any:
        """The torch SerializationStorageContext that numbers storages for TorchScript and for pickles."""
        self._check_open()
        return self._saved.torchscript.storage_context

    # ---- the end

    def close(self) -> None:
        """Write the package; a second call does nothing.

        Raises PackagingError with all broken modules, EmptyMatchError for a rule that decides for none;
        nothing is written then, and the exporter stays open.
        """
        if not self._is_open:
            return
        self._analysed = None
        analysis = self._settle()
        for text in analysis.modules.installed.distributions.unknown_requirements(self._requires).values():
            warnings.warn(text, stacklevel=2)
        self._saved.finish()
        try:
            records = self._lay_out(analysis)
        except (AnalysisError, GroupedError) as error:
            raise PackagingError(
                "the package cannot be made", dependency_graph=analysis.graph, details=str(error)
            ) from error
        self._destination.write(self._root, records, self._saved.storages.file)
        self._written = tuple(record.name for record in records)
        self._release()
        self._tell(analysis.left_out)

    def __enter__(self: _Self) -> _Self:  # noqa: PYI019 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self.close()
        finally:
            self._release()

    def _tell(self, left_out: Sequence[str]) -> None:
        """Warn of what the package lacks though its code may ask for it."""
        place = calling_location() or Location(__file__)
        for text in left_out:
            warnings.warn_explicit(text, UserWarning, place.path, place.line)

    def _whole_policy(self) -> str:
        """The calls that would settle all that is to be packed."""
        from hermpkg_build.exporter.whole_policy import whole_policy

        return whole_policy(
            self._plan,
            self.importer,
            self._saved.records,
            call_text,
            strict_imports=self._strict_imports,
        )

    def _settle(self) -> ExportAnalysis:
        """Analyse until no hook saves more; raises as `close`."""
        while True:
            analysis = self._analyse()
            raise_for(analysis, self._plan.rules, debug=self.debug, whole=self._whole_policy)
            told = [hooks.tell(self, [*self._with_policy(policy)]) for policy, hooks in self._hooks.items()]
            if not any(told):
                return analysis

    def _release(self) -> None:
        """Drop everything that is only needed to write."""
        self._is_open = False
        self._saved.release()
        self._pickler = PackagePickler(self, self.importer, self._saved.storages, self._plan)

    def _lay_out(self, analysis: ExportAnalysis) -> tuple[Record, ...]:
        request = ArtifactRequest(
            graph=analysis.graph,
            python_version=platform.python_version(),
            sources=analysis.sources,
            parts=[
                *self._saved.parts(),
                *data_files(
                    {**analysis.files.data, **analysis.licenses.files},
                    analysis.repacked.files,
                    self._saved.records,
                ),
            ],
            real_files=tuple(sorted({*analysis.files.real, *analysis.repacked.real})),
            distributions=analysis.distributions,
            environment=installed_environment(analysis, self._requires),
            licenses=analysis.licenses.statements,
            requires=self._requires,
        )
        return lay_out_parts(request)

    def _analyse(self) -> ExportAnalysis:
        state = self._plan.version, len(self._saved.records)
        if self._analysed is None or (self._is_open and self._analysed[0] != state):
            self._analysed = (
                state,
                analyse_export(
                    self._plan,
                    self.importer,
                    self._saved.records,
                    strict_imports=self._strict_imports,
                ),
            )
        return self._analysed[1]

    def _with_policy(self, policy: Policy) -> list[str]:
        found = self.dependency_graph.with_policy(policy)
        return [
            node.name
            for node in found
            if policy is not Policy.INTERN or node.kind is not ModuleKind.NAMESPACE
        ]

    def _give_source(self, name: str, data: bytes, is_package: bool, dependencies: bool, cause: str) -> None:
        name = plain_name(name, self.importer)
        package = package_of_init(name)
        module = generated_module(package or name, data, is_package=is_package or package is not None)
        self._plan.give_source(module, cause=cause, dependencies=dependencies)


def _one_importer(importer: AnyImporter | Sequence[AnyImporter]) -> AnyImporter:
    """One importer for what was given. Raises TypeError."""
    one = OrderedImporter(*importer) if isinstance(importer, Sequence) else importer
    list(importers_in_order(one))
    return one
