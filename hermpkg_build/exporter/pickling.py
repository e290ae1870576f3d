"""Pickles objects for a package: classes and functions by the names of importers, tensors by number."""

from __future__ import annotations

import pickle
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from hermpkg_build.dataclass import replace
from hermpkg_build.exporter.sources.available_modules import AvailableModules
from hermpkg_build.exporter.sources.program import MAIN, module_of_program
from hermpkg_build.exporter.sources.provider import ModuleProvider
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.pickled import PickledObject
from hermpkg_build.pickles.storage_numbers import renumber_storages
from hermpkg_build.pickles.trial import Trial
from hermpkg_build.runtime.importer_protocol import ObjMismatchError
from hermpkg_build.runtime.importing.pickled_names import plain_names
from hermpkg_build.runtime.mangling import is_mangled, mangle_prefix

if TYPE_CHECKING:
    from hermpkg_build.exporter.plan import Plan
    from hermpkg_build.exporter.storages import Storages


class ObjectOfOtherImporterError(UnpicklableError, ObjMismatchError):
    """An object belongs to another importer than the one that its code would come from."""


class _OtherImporterError(pickle.PicklingError):
    """The reason for that."""


class PackagePickler:
    """Pickles objects for one `exporter`, with the names that its `importer` has for them."""

    def __init__(self, exporter: Any, importer: Any, storages: Storages, plan: Plan) -> None:
        self._reductions = PackageReductions(exporter)
        self._trial = Trial(
            import_module=partial(_module_here, importer),
            source_of=partial(_saved_source, plan),
            reductions=self._reductions,
        )
        self._storages = storages
        self._names = GlobalNames(importer)

    def pickle(self, obj: Any, *, protocol: int, name: str, cause: str) -> PickledObject:
        """Pickle `obj`, which messages call `name`, with the package's keys of storages.

        `cause` names what the storages are for, in messages.
        Raises PicklingError with the path to the object at fault, which is an ObjMismatchError too where that
        belongs to another importer.
        """
        # Objects may hold pickles of others, in bytes of their own; their names are plain, too.
        try:
            with plain_names():
                pickled = pickle_canonically(
                    obj,
                    protocol=protocol,
                    name=name,
                    persistent_id=self._reductions.persistent_id,
                    resolve_global=self._names.resolve,
                    trial=self._trial,
                )
        except UnpicklableError as error:
            if isinstance(error.__cause__, _OtherImporterError):
                raise ObjectOfOtherImporterError(error.path, error.reason) from error.__cause__
            raise
        keys = self._storages.keys_of(pickled.storages, cause)
        return replace(pickled, data=renumber_storages(pickled.data, pickled.key_offsets, keys))


def _module_here(importer: Any, name: str) -> Any:
    """The module that a pickled name leads to in this process, whose program has another name here."""
    return sys.modules[MAIN] if name == module_of_program(MAIN) else importer.import_module(name)


def _saved_source(plan: Plan, name: str) -> bytes | None:
    return plan.sources[name].data if name in plan.sources else None


class GlobalNames:
    """Finds the names of classes and functions, and remembers them; the objects are kept alive."""

    def __init__(self, importer: Any) -> None:
        self._modules = AvailableModules(importer, lambda _name: False)
        self._known: dict[tuple[int, str], tuple[Any, tuple[str, str]]] = {}

    def resolve(self, obj: Any, module: str, name: str) -> tuple[str, str]:
        """The module and qualified name to write for `obj`, which calls itself `name` of `module`.

        Raises PicklingError where no importer has it, or where its module would be packed from
        another importer than the one it belongs to.
        """
        key = id(obj), name
        if key not in self._known:
            self._known[key] = obj, self._resolve(obj, module, name)
        return self._known[key][1]

    def _resolve(self, obj: Any, module: str, name: str) -> tuple[str, str]:
        reasons: list[str] = []
        for provider in self._modules.providers:
            try:
                found = provider.name_of(obj, name)
            except pickle.PicklingError as error:
                reasons.append(f"{provider}: {error}")
                continue
            self._check_packed_from(provider, obj, found)
            return found
        kind = _OtherImporterError if is_mangled(module) else pickle.PicklingError
        raise kind(self._explain(module, name, reasons))

    def _check_packed_from(self, own: ModuleProvider, obj: Any, found: tuple[str, str]) -> None:
        module, name = found
        if len(self._modules.providers) == 1:
            return
        other = self._modules.provider_of(module)
        if other is None or other is own or other.provides(obj, module, name):
            return
        raise _OtherImporterError(
            f"{name} is that of {own}, but the source of {module} would come from {other},"
            f" which the exporter asks first. List {own} before {other}:"
            f" PackageExporter(..., importer=({own}, {other}))"
        )

    def _explain(self, module: str, name: str, reasons: list[str]) -> str:
        if not is_mangled(module):
            return (
                reasons[0].partition(": ")[2]
                if len(reasons) == 1
                else "no importer has it\n" + "\n".join(reasons)
            )
        prefix = mangle_prefix(module)
        own = ", ".join(str(provider) for provider in self._modules.providers)
        return (
            f"{name} comes from the importer {prefix}, which this exporter does not know:"
            f" its importers are {own}. Pass that one too:"
            " PackageExporter(..., importer=(that_importer, sys_importer)); its id() tells which it is"
        )
