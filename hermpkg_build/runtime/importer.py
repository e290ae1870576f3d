"""PackageImporter: opens an artifact and gives its modules, objects, texts and bytes."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args, overload

from hermpkg_build.archive.layout import PYTHON_VERSION
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.closing import Closing
from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.runtime.contents.archives import (
    Archive,
    Source,
    admitted_archive,
    content_number,
    display_name,
    local_source,
    open_torch_reader,
    read_externs,
    record_not_found,
)
from hermpkg_build.runtime.contents.checks import (
    CheckMode,
    VerifyMode,
    check_allowed,
    check_content,
    check_environment,
    check_python,
    read_manifest,
)
from hermpkg_build.runtime.contents.location import ArtifactLocation
from hermpkg_build.runtime.contents.real_files import FilesMode, real_files
from hermpkg_build.runtime.contents.tensor_storages import MapLocation, StorageSource
from hermpkg_build.runtime.host.lookups import prepare
from hermpkg_build.runtime.host.overrides import OVERRIDES
from hermpkg_build.runtime.importer_protocol import Importer
from hermpkg_build.runtime.importing.finder import open_space
from hermpkg_build.runtime.importing.imports import import_module, import_statement
from hermpkg_build.runtime.importing.package_loader import PackageLoader, resource_reader
from hermpkg_build.runtime.importing.roles import ModuleTree
from hermpkg_build.runtime.importing.space import ModuleSpace, reopen
from hermpkg_build.runtime.importing.sys_modules import PackageModules
from hermpkg_build.runtime.mangling import demangle, resource_record

if TYPE_CHECKING:
    import torch

    from hermpkg_build.core.globs import GlobPattern
    from hermpkg_build.runtime.contents.file_tree import Directory
    from hermpkg_build.runtime.contents.location import FileState
    from hermpkg_build.runtime.contents.resources import PackageResourceReader
    from hermpkg_build.runtime.contents.unpickling import PackageUnpickler, PickleLoad
    from hermpkg_build.trust.gate import GivenPolicy


_T = TypeVar("_T")


def _any_module(_name: str) -> bool:
    return True


class ImporterClosedError(ValueError, ImportError):
    """The importer is closed, and gives nothing more."""


class _Open(NamedTuple):
    """What an importer holds until it is closed."""

    space: ModuleSpace
    storages: StorageSource


class PackageImporter(Importer, Closing):
    """Loads code and objects from an artifact, isolated from the environment except for its externs.

    `file_or_buffer` is a path, a folder that an archive was unpacked to, a binary stream, torch's
    PyTorchFileReader, or a reference to a registry, ``oci://REGISTRY/REPOSITORY@sha256:...``, whose artifact
    is pulled to the cache where it is not there yet. `module_allowed` is called with the name of each extern
    module; with None, all are allowed.

    `check` compares the environment with the one at build time: with "warn", another version of Python or
    of an extern distribution is a warning, and a missing or excluded distribution an error; with "error",
    all are errors; with "off", nothing is compared.
    `verify` compares records with the manifest: all but tensors ("code"), each at the latest when it is read,
    "all" at once, or none ("off").
    `files` says what packaged code finds in ``__file__``: with "auto", real paths in packages that, as the
    artifact says, read files by these, and mangled paths in all others; with "real" or "mangled", that.
    `map` says whether tensors are mapped: they take memory where they are used, and are not compared with
    their checksums unless `verify` is "all"; what is written into the file in place while they are in use
    shows in them. With False they are copied and compared; with None, in files of up to 16 MiB.
    `trust` is a policy, or the path of the file with one: whether it accepts the artifact is decided before
    anything of it runs, and on the bytes that are used later, whatever becomes of the file; a folder is
    copied for that. All policies that ``HERMPKG_TRUST`` names must accept it too.

    After `close`, or the ``with`` block, the importer itself gives nothing more; what it has given works on,
    imports in its functions and its sources in tracebacks included, as long as the file stays what it is.

    Raises ArchiveError (which is a FileNotFoundError too where there is no file), ImportError for a module
    that is not allowed, ArtifactEnvironmentError, TrustError with all reasons against the artifact,
    LocalEnvironmentError where a registry cannot be asked, and ValueError for options that cannot be had.

    >>> from hermpkg_build import PackageExporter
    >>> with PackageExporter("model.pt") as exporter:
    ...     exporter.save_source_string("app.words", "def count(text): return len(text.split())")
    ...     exporter.save_text("app", "words.txt", "one two")
    >>> with PackageImporter("model.pt") as importer:
    ...     words = importer.import_module("app.words")
    ...     print(words.count(importer.load_text("app", "words.txt")))
    2
    """

    def __init__(
        self,
        file_or_buffer: Source,
        module_allowed: Callable[[str], bool] | None = None,
        *,
        check: CheckMode = "warn",
        verify: VerifyMode = "code",
        files: FilesMode = "auto",
        map: bool | None = None,  # noqa: A002 -- the name that people look for
        trust: GivenPolicy | None = None,
    ) -> None:
        for option, value, known in (
            ("check", check, get_args(CheckMode)),
            ("verify", verify, get_args(VerifyMode)),
            ("files", files, get_args(FilesMode)),
        ):
            if value not in known:
                raise ValueError(f"{option} must be one of {', '.join(known)}, not {value!r}")
        self.filename: str = display_name(file_or_buffer)
        file_or_buffer = local_source(file_or_buffer)
        with paused_collection:  # There may be tens of thousands of records.
            archive, gate = admitted_archive(file_or_buffer, trust, map)
            check_python(archive, check)
            manifest = read_manifest(archive)
            check_content(archive, manifest, verify)
        if manifest is not None:
            check_environment(archive, manifest, check)
        self.extern_modules: list[str] = read_externs(archive)
        check_allowed(module_allowed or _any_module, self.extern_modules, self.filename)
        space = ModuleSpace(
            archive=archive,
            tree=ModuleTree(archive.names(), self.extern_modules),
            importer=self,
            module_allowed=module_allowed or _any_module,
            files=real_files(archive, manifest, files),
            location=ArtifactLocation(
                file_or_buffer,
                archive,
                files,
                guarded=module_allowed is not None,
                trust=gate.given if gate is not None else None,
                reopen=reopened_name,
            ),
            loader=PackageLoader,
            import_statement=import_statement,
            overrides=OVERRIDES,
            prepare=prepare,
        )
        self._prefix = space.prefix
        self._open: _Open | None = _Open(space, StorageSource(archive, map))
        self._close_space = open_space(space)
        self.modules: Mapping[str, Any] = PackageModules(space)
        self.patched_builtins: Mapping[str, Any] = space.builtins
        self._running = _RunningLoad()
        self._gate = gate

    def import_module(self, name: str, package: str | None = None) -> ModuleType:
        """Import the module `name`, packaged or extern; a relative name counts from `package`.

        Raises ModuleNotFoundError for a module that the artifact neither holds nor lists as extern.
        """
        module: ModuleType = import_module(self._space, name, package)
        return module

    def __import__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 -- the signature of __import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Import as the ``__import__`` of packaged code does."""
        return import_statement(self._space, name, globals, locals, fromlist, level)

    def load_binary(self, package: str | ModuleType, resource: str) -> bytes:
        """Read the bytes that were saved as `resource` of `package`. Raises RecordNotFoundError."""
        return self._read(resource_record(package, resource))

    def load_text(
        self, package: str | ModuleType, resource: str, encoding: str = "utf-8", errors: str = "strict"
    ) -> str:
        """Read the text that was saved so, as `load_binary` does. Raises UnicodeError too."""
        return self.load_binary(package, resource).decode(encoding, errors)

    @overload
    def load_pickle(
        self,
        package: str | ModuleType,
        resource: str,
        map_location: MapLocation = None,
        *,
        as_type: None = None,
    ) -> Any: ...

    @overload
    def load_pickle(
        self,
        package: str | ModuleType,
        resource: str,
        map_location: MapLocation = None,
        *,
        as_type: type[_T],
    ) -> _T: ...

    def load_pickle(
        self,
        package: str | ModuleType,
        resource: str,
        map_location: MapLocation = None,
        *,
        as_type: type[Any] | None = None,
    ) -> Any:
        """Load the object that was saved as `resource` of `package`.

        `map_location` says where tensors go, as for torch.load. Pickles share the storages that they
        shared when they were saved; a second load of the same pickle gives independent tensors.

        `as_type` is the class that the object must have, and that type checkers take it to have; of
        containers, also with what is in them (``dict[str, int]``). An artifact has its own of the classes
        that it packs: the class of the host that has the name of one stands for it (of its name in any
        module, where it is one of ``__main__``).
        Raises RecordNotFoundError, UnpicklingError, ObjectTypeError (which is a TypeError too) for an object
        of another type, and whatever the packaged code raises.

        >>> from hermpkg_build import PackageExporter
        >>> with PackageExporter("words.pt") as exporter:
        ...     exporter.save_pickle("data", "words.pkl", {"one": 1})
        >>> with PackageImporter("words.pt") as importer:
        ...     importer.load_pickle("data", "words.pkl", as_type=dict[str, int])
        {'one': 1}
        """
        from hermpkg_build.runtime.contents.unpickling import PackageUnpickler, PickleLoad, short_looks

        if as_type is not None:
            from hermpkg_build.runtime.contents.expected_type import check_object, check_type

            check_type(as_type)
        record = resource_record(package, resource)
        data = self._read(record)
        if self._gate is not None:
            self._gate.check_pickle(record, data)
        load = PickleLoad(self, self._opened().storages, record, map_location)
        outer, self._running.load = self._running.load, load
        try:
            with paused_collection, short_looks:
                result = PackageUnpickler(self.__import__, data, load, self._gate).load()
        finally:
            self._running.load = outer
        load.validate()
        if as_type is not None:
            check_object(result, as_type, record, self.filename)
        return result

    def load_tensors(
        self,
        package: str | ModuleType,
        resource: str,
        *,
        map_location: MapLocation = None,
        everything: bool = False,
        strict: bool = True,
    ) -> dict[str, torch.Tensor]:
        """Give the tensors of a pickle by name; the pickle is read as data, and no code of it runs.

        The names and tensors of a torch module are those of its `state_dict`; with `everything`, those that
        are no part of that follow by their paths (``model.cache["k"][0]``), as all do in a pickle of other
        objects. Of a dict, the keys are names. No global of the pickle is imported, no module of the artifact
        or of a library: torch alone makes the tensors, mapped as `load_pickle` maps them, and none requires a
        gradient. Those that shared a storage do. They are on the CPU, or where `map_location` says, as for
        torch.load.

        What only code makes (TorchScript, tensors of classes with code of their own, tensors without data) is
        refused by name; where it is not `strict`, it is left out and logged.
        Raises RecordNotFoundError, ArchiveError, of which TensorsNotReadError is one.

        >>> import torch
        >>> from hermpkg_build import PackageExporter
        >>> with PackageExporter("linear.pt") as exporter:
        ...     exporter.extern("**")
        ...     exporter.save_pickle("model", "model.pkl", torch.nn.Linear(3, 2))
        >>> with PackageImporter("linear.pt") as importer:
        ...     tensors = importer.load_tensors("model", "model.pkl")
        >>> {name: list(tensor.shape) for name, tensor in tensors.items()}
        {'weight': [2, 3], 'bias': [2]}
        """
        from hermpkg_build.runtime.contents.tensors_as_data import TensorMaker, tensors_of_pickle

        record = resource_record(package, resource)
        data = self._read(record)
        maker = TensorMaker(self._archive, mapped=self._opened().storages.mapped, map_location=map_location)
        return tensors_of_pickle(maker, record, data, everything=everything, strict=strict)

    def id(self) -> str:
        """Give the prefix of this importer's module names, such as ``<torch_package_0>``."""
        return self._prefix

    def file_structure(self, include: GlobPattern = "**", exclude: GlobPattern = ()) -> Directory:
        """Make a printable tree of the files in the artifact that match `include` and not `exclude`."""
        from hermpkg_build.runtime.contents.file_tree import Directory

        names = self._archive.names()
        return Directory.of_files(self.filename, names, include=include, exclude=exclude)

    def python_version(self) -> str | None:
        """Read the version of Python that wrote the artifact, None where it does not say."""
        if not self._archive.has(PYTHON_VERSION):
            return None
        return self._archive.read(PYTHON_VERSION).decode().strip()

    def get_source(self, module_name: str) -> str:
        """Read the source of a packaged module, by plain or mangled name. Raises ImportError."""
        name = demangle(module_name)
        source = self._space.source_text(name)
        if source is None:
            raise ImportError(f"the artifact {self.filename} has no source of {name!r}", name=name)
        return source

    def get_resource_reader(self, fullname: str) -> PackageResourceReader | None:
        """Make the reader of a package's files for importlib.resources; None for any other name."""
        name = demangle(fullname)
        return resource_reader(self._space, name) if self._space.tree.is_package(name) else None

    def record_names(self) -> Sequence[str]:
        """List the names of all records."""
        return self._archive.names()

    def read_record(self, record: str) -> bytes:
        """Read a record by its name. Raises RecordNotFoundError."""
        return self._read(record)

    @functools.cached_property
    def zip_reader(self) -> Any:
        """A PyTorchFileReader of the same archive, made when first asked for."""
        return open_torch_reader(self._archive)

    @property
    def storage_context(self) -> Any:
        """The DeserializationStorageContext of torch for the load that runs in this thread, else None."""
        load = self._running.load
        return load.storage_context if load is not None else None

    @property
    def last_map_location(self) -> Any:
        """The `map_location` of the load that runs in this thread, else None."""
        load = self._running.load
        return load.map_location if load is not None else None

    def Unpickler(self, file: Any) -> PackageUnpickler:  # noqa: N802 -- the name torch's importer has
        """Make an unpickler of the stream `file` that finds globals with this importer."""
        from hermpkg_build.runtime.contents.unpickling import PackageUnpickler

        data = file.read()
        if self._gate is not None:
            self._gate.check_pickle("", data)
        return PackageUnpickler(self.__import__, data, None, self._gate)

    def close(self) -> None:
        """Close the file, and let go of the modules; what was loaded stays usable. May be called twice.

        Modules of which something is in use stay until it is freed, and their sources are read from the file
        where they are asked for; nothing is held open.
        """
        opened, self._open = self._open, None
        if opened is None:
            return
        space = opened.space
        if not space.registered:
            self._close_space()
        space.location.close()
        space.archive.release()
        self.modules, self.patched_builtins = {}, {}
        vars(self).pop("zip_reader", None)

    def __repr__(self) -> str:
        return f"PackageImporter({self.filename!r}, id={self.id()!r})"

    def _take_prefix(self, prefix: str) -> None:
        """Take `prefix`, which no open space has, for the names of modules; nothing is imported yet."""
        self._close_space()
        self._prefix = self._space.prefix = prefix
        self._close_space = open_space(self._space)

    def _opened(self) -> _Open:
        if self._open is None:
            raise ImporterClosedError(f"the importer of {self.filename} is closed")
        return self._open

    @property
    def _space(self) -> ModuleSpace:
        return self._opened().space

    @property
    def _archive(self) -> Archive:
        return self._space.archive

    def _read(self, record: str) -> bytes:
        if not self._archive.has(record):
            raise record_not_found(self._archive, record)
        return self._archive.read(record)


def opened_file(importer: PackageImporter) -> tuple[os.stat_result | None, int]:
    """Return the status of the open file, None for none, and a number of its records, 0 for a folder."""
    archive = importer._archive
    return (archive.status(), content_number(archive)) if isinstance(archive, ArchiveReader) else (None, 0)


def reopened_name(name: str, state: FileState) -> str:
    """Open the artifact of `name`, a packaged module in another process, unless it is open; return `name`.

    Raises ImportError where the file has been removed or changed.
    """
    reopen(name, state, _open_again)
    return name


def _open_again(prefix: str, state: FileState) -> PackageImporter:
    path, _, _, files, trust, checks_reads = state
    # The process that sent the object has compared these very bytes, or those that it has read.
    verify: VerifyMode = "code" if checks_reads else "off"
    importer = PackageImporter(path, check="off", verify=verify, files=files, trust=trust)
    importer._take_prefix(prefix)
    return importer


class _RunningLoad(threading.local):
    """The load that runs in this thread; the innermost, as a ``__reduce_package__`` may load again."""

    load: PickleLoad | None = None
