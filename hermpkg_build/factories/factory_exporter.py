"""The exporter in a factory's process: keeps what objects save beside a model for its artifact."""

from __future__ import annotations

import importlib
import os
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.archive.resource_records import free_record
from hermpkg_build.archive.slices import read_slice
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.core.module_names import is_module_name
from hermpkg_build.dataclass import replace
from hermpkg_build.factories.request import PICKLE, SavedBeside, SavedRecord, saved_file, storage_file
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.global_names import find_global
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.pickled import PickledObject, StoredStorage
from hermpkg_build.pickles.storage_numbers import StorageNumbers, renumber_storages
from hermpkg_build.pickles.storages import StorageCopy, chunks, copy_storages
from hermpkg_build.pickles.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hermpkg_build.pickles.torchscript import TorchScript

_ID_BITS = 22
"""How many bits of a number count within one model; those above tell models apart."""


_SMALL = 64 << 10
"""The most bytes of storages that are compared with those before."""


class FactoryExporter:
    """Pickles the model of the target `label` into `folder`, and is given to each ``__reduce_package__``.

    It has the methods of PackageExporter that save something; what becomes of modules is the policy's to say.
    Names of the numbers that it gives are unique among all targets, so that models can share an artifact.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self.importer: _Interpreter = _Interpreter()
        self._folder = folder
        self._first_id = int(Digest.of(label.encode()).hash[:10], 16) << _ID_BITS
        self._ids = 0
        self._sources: dict[str, str] = {}
        self._reductions = PackageReductions(self)
        self._trial = Trial(
            import_module=importlib.import_module,
            source_of=self._sources.get,
            reductions=self._reductions,
        )
        self._numbers = StorageNumbers[tuple[str, StoredStorage]]()
        self._copies = 0
        self._storages: dict[int, StoredStorage] = {}
        self._small: set[Digest] = set()
        self._torchscript: TorchScript | None = None
        self._records: dict[str, SavedRecord] = {}
        self._modules: list[str] = []
        self._dependencies: list[str] = []
        self._without_imports: set[str] = set()

    def save_model(self, model: Any) -> PickledObject:
        """Pickle `model`, and write the pickle, all storages and all records beside it to the folder.

        Raises UnpicklableError with the path to the object at fault.
        """
        pickled = self._pickled(model, name="model", protocol=3)
        (self._folder / PICKLE).write_bytes(pickled.data)
        if self._torchscript is not None:
            self._torchscript.finish()
            for record in self._torchscript.records():
                if record.storage is None:
                    self._save(record.name, RecordKind.FRAMEWORK, _bytes_of(record.content))
                else:
                    path = self._folder / storage_file(record.storage)
                    path.write_bytes(_bytes_of(record.content))
                    stored = StoredStorage(digest=record.digest, crc32=record.crc32)
                    self._storages[record.storage] = stored
            self._torchscript.close()
        return pickled

    @property
    def storages(self) -> tuple[StoredStorage, ...]:
        """All storages by their numbers; of small ones with the same bytes the first has a file."""
        return tuple(stored for _, stored in sorted(self._storages.items()))

    @property
    def beside(self) -> SavedBeside:
        """All that was saved beside the model."""
        return SavedBeside(
            records=tuple(record for _, record in sorted(self._records.items())),
            sources=dict(sorted(self._sources.items())),
            modules=tuple(dict.fromkeys(self._modules)),
            dependencies=tuple(dict.fromkeys(self._dependencies)),
            without_imports=tuple(sorted(self._without_imports)),
        )

    # ---- called by __reduce_package__

    def get_unique_id(self) -> str:
        """A number that no exporter of another target returns, nor this one again."""
        self._ids += 1
        return str(self._first_id + self._ids)

    def save_source_string(
        self, module_name: str, src: str, is_package: bool = False, dependencies: bool = True
    ) -> None:
        """As PackageExporter has it."""
        self._check_module(module_name)
        self._sources[f"{module_name}.__init__" if is_package else module_name] = src
        self._follow(module_name, dependencies)

    def save_module(self, module_name: str, dependencies: bool = True) -> None:
        """As PackageExporter has it: pack the module, whatever the policy says."""
        self._check_module(module_name)
        self._modules.append(module_name)
        self._follow(module_name, dependencies)

    def add_dependency(self, module_name: str, dependencies: bool = True) -> None:
        """As PackageExporter has it: treat the module by the policy."""
        self._check_module(module_name)
        self._dependencies.append(module_name)
        self._follow(module_name, dependencies)

    def save_text(self, package: str, resource: str, text: str) -> None:
        """As PackageExporter has it."""
        self.save_binary(package, resource, text.encode())

    def save_binary(self, package: str, resource: str, binary: Bytes) -> None:
        """As PackageExporter has it."""
        record = free_record(package, resource, self._records)
        self._save(record, RecordKind.RESOURCE, bytes(memoryview(binary)))

    def save_pickle(
        self, package: str, resource: str, obj: Any, dependencies: bool = True, pickle_protocol: int = 3
    ) -> None:
        """As PackageExporter has it."""
        free_record(package, resource, self._records)
        pickled = self._pickled(obj, name=resource.partition(".")[0], protocol=pickle_protocol)
        record = free_record(package, resource, self._records)
        self._save(record, RecordKind.PICKLE, pickled.data)
        self._records[record] = replace(
            self._records[record],
            globals=pickled.globals if dependencies else (),
            key_offsets=pickled.key_offsets,
        )

    @property
    def script_module_serializer(self) -> Any:
        """The torch ScriptModuleSerializer that TorchScript modules write themselves with."""
        return self._scripts.serializer

    @property
    def storage_context(self) -> Any:
        """The torch SerializationStorageContext that numbers storages for TorchScript and for pickles."""
        return self._scripts.storage_context

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the exporter of a model() of a BUILD file has no {name!r}: it saves what objects bring;"
            " policies of modules are in the model_package() that holds the model"
        )

    # ---- inside

    @property
    def _scripts(self) -> TorchScript:
        if self._torchscript is None:
            from hermpkg_build.pickles.torchscript import TorchScript

            self._torchscript = TorchScript()
            self._numbers.share_with(self._torchscript)
        return self._torchscript

    def _pickled(self, obj: Any, *, name: str, protocol: int) -> PickledObject:
        """The pickle of `obj` with this model's numbers of storages, which are written to the folder."""
        pickled = pickle_canonically(
            obj,
            protocol=protocol,
            name=name if name.isidentifier() else "obj",
            persistent_id=self._reductions.persistent_id,
            trial=self._trial,
        )
        keys = self._numbers.keys_of(pickled.storages, self._copied)
        for key, (file, stored) in self._numbers.take_new():
            if file:
                os.rename(file, self._folder / storage_file(key))
            self._storages[key] = stored
        data = renumber_storages(pickled.data, pickled.key_offsets, keys)
        offsets = tuple((offset, keys[key]) for offset, key in pickled.key_offsets)
        return replace(pickled, data=data, key_offsets=offsets)

    def _copied(self, storages: Sequence[Any]) -> Sequence[tuple[str, StoredStorage]]:
        """Write storages to files; "" for one whose bytes a file has already."""
        first = self._copies
        self._copies += len(storages)
        found: dict[int, tuple[str, StoredStorage]] = {}
        large: dict[int, StorageCopy] = {}
        small = set(self._small)
        for number, storage in enumerate(storages, first):
            path = str(self._folder / f"{number}.new-storage")
            if storage.device.type != "cpu" or storage.nbytes() > _SMALL:
                large[number] = StorageCopy(storage=storage, path=path)
                continue
            # Many small ones are alike, and to make a file takes longer than to hash it.
            data = b"".join(chunks(storage))
            stored = StoredStorage(digest=Digest.of(data), crc32=zlib.crc32(data))
            is_new = stored.digest not in small
            if is_new:
                with open(path, "wb") as file:
                    file.write(data)
                small.add(stored.digest)
            found[number] = path if is_new else "", stored
        for number, stored in zip(large, copy_storages([*large.values()]), strict=True):
            found[number] = large[number].path, stored
        self._small = small  # Not before: where there was no room, they can be saved again later.
        return [each for _, each in sorted(found.items())]

    def _save(self, record: str, kind: RecordKind, data: bytes) -> None:
        digest = Digest.of(data)
        (self._folder / saved_file(digest)).write_bytes(data)
        self._records[record] = SavedRecord(name=record, kind=kind, digest=digest)

    def _check_module(self, name: str) -> None:
        if not is_module_name(name):
            raise ValueError(f"{name!r} cannot be the name of a module")

    def _follow(self, module_name: str, dependencies: bool) -> None:
        self._without_imports.discard(module_name)
        if not dependencies:
            self._without_imports.add(module_name)


class _Interpreter:
    """The environment of the factory, as the `importer` of its exporter."""

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """The module and the qualified name of a class or function. Raises PicklingError."""
        return find_global(obj, name)

    def import_module(self, module_name: str) -> Any:
        """Import a module."""
        return importlib.import_module(module_name)


def _bytes_of(content: Content) -> bytes:
    return read_slice(content) if isinstance(content, FileSlice) else bytes(content)
