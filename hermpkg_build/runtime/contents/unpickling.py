"""Loads the pickles of an archive: globals from the package, tensors mapped, `__reduce_package__` called."""

from __future__ import annotations

import _compat_pickle
import functools
import io
import pickle
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.collection_pause import WhileAny
from hermpkg_build.core.module_names import is_within, package_of_private_part
from hermpkg_build.printable import one_line
from hermpkg_build.runtime.contents.tensor_storages import StorageSource, beyond_the_data, record_of, restorer

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import Gate

# Names that numpy has dropped and that old pickles use.
_DROPPED_NAMES: dict[tuple[str, str], object] = {("numpy", "str"): str, ("numpy", "bool"): bool}

_MOVED_PACKAGES = {"numpy.core": "numpy._core", "numpy._core": "numpy.core"}
"""Packages that some versions have under the one name, and some under the other."""


class _Peekable(io.BytesIO):
    """The unpickler reads ahead only from streams that can peek: here all at once, which copies nothing."""

    def peek(self, _size: int) -> bytes:
        return self.getvalue()[self.tell() :]


class PackageUnpickler(pickle.Unpickler):
    """Finds every global that the `gate` allows with the package's `import_statement`, as its code would."""

    def __init__(
        self,
        import_statement: Callable[..., Any],
        data: bytes,
        load: PickleLoad | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(_Peekable(data))
        self._import_statement = import_statement
        self._load = load
        self._gate = gate
        protocol = int.from_bytes(data[1:2], "little") if data[:1] == pickle.PROTO else 0
        self._python2_names = protocol < 3
        self._dotted_names = protocol >= 4

    def find_class(self, module: str, name: str) -> Any:
        """Find the object `name` of `module`. Raises ModuleNotFoundError, AttributeError, TrustError."""
        if self._python2_names:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            else:
                module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if self._gate is not None:
            self._gate.check_global(module, name)
            found = self._found(module, name)
            self._gate.check_found(module, name, found)
            return found
        return self._found(module, name)

    def _found(self, module: str, name: str) -> Any:
        # As packaged code gets it, because functions that a pickle calls may unpickle or import.
        owner = self._module(module)
        try:
            if self._dotted_names and "." in name:
                return functools.reduce(getattr, name.split("."), owner)
            return getattr(owner, name)
        except AttributeError as error:
            if (module, name) in _DROPPED_NAMES:
                return _DROPPED_NAMES[module, name]
            if name.isprintable():
                raise
            raise AttributeError(one_line(str(error)), name=name) from None

    def _module(self, name: str) -> Any:
        try:
            return self._import_statement(name, fromlist=("__name__",))
        except ModuleNotFoundError:
            elsewhere = _other_name(name)
            if elsewhere is None:
                raise
            try:
                return self._import_statement(elsewhere, fromlist=("__name__",))
            except ModuleNotFoundError:
                pass
            raise

    def persistent_load(self, pid: Any) -> Any:
        """Load the object of a persistent id of torch.package. Raises UnpicklingError for any other id."""
        load = self._load
        if load is not None and isinstance(pid, tuple):
            match pid:
                case (
                    "storage" | b"storage",
                    type() as kind,
                    int() | str() as key,
                    str() | bytes() as location,
                    int() as size,
                ):
                    return load.storage(kind, key, location, size)
                case ("reduce_package" | b"reduce_package", *saved) if len(saved) in (2, 3):
                    return load.reduced(*saved)
        raise pickle.UnpicklingError(f"not a persistent id of a package: {pid!r}")


_LOOK = "_restore_device_fake_mode"
_USED_FIRST = ("torch", "_guards", "detect_fake_mode", "untyped_storage", "_fake_device")


def _shorten_looks() -> Callable[[], object]:
    """Have torch look at what it makes of storages, whether it is fake, only where that may be.

    A mode or a trace of the thread makes tensors fake. Returns what undoes it.
    """
    utils = sys.modules.get("torch._utils")
    look: Any = getattr(utils, _LOOK, None)
    if getattr(getattr(look, "__code__", None), "co_names", ())[: len(_USED_FIRST)] != _USED_FIRST:
        return bool
    import torch

    modes, trace = torch._C._len_torch_dispatch_stack, torch._guards.TracingContext.try_get
    setattr(utils, _LOOK, lambda tensor: look(tensor) if modes() or trace() else tensor)
    return functools.partial(setattr, utils, _LOOK, look)


short_looks: WhileAny = WhileAny(_shorten_looks)


def _other_name(module: str) -> str | None:
    """Give the name that other versions of a library have for `module`, None where none is known."""
    for one, other in _MOVED_PACKAGES.items():
        if is_within(module, one):
            return other + module[len(one) :]
    return package_of_private_part(module)


def _dtype_of(storage_type: Any) -> Any:
    """Give the dtype of a storage class; the class itself would warn that it is deprecated."""
    import torch

    if storage_type is torch.UntypedStorage:
        return torch.uint8
    known = torch.storage._get_dtype_from_pickle_storage_type(storage_type.__name__)
    return known if known is not None else storage_type.dtype


class PickleLoad:
    """One call of `load_pickle`: its storages, its reduced objects, and where its tensors go.

    `importer` is passed to the functions that ``__reduce_package__`` returned; `map_location` means what
    it means for torch.load.
    """

    def __init__(self, importer: object, source: StorageSource, record: str, map_location: Any) -> None:
        self.map_location = map_location
        self._importer = importer
        self._source = source
        self._shared = source.generation_for(record)
        self._restored: dict[int | str, Any] = {}
        self._sizes: dict[int | str, int] = {}
        self._kinds: dict[Any, tuple[Any, int]] = {}
        self._reduced: dict[Any, Any] = {}
        self._context: Any = None

    @functools.cached_property
    def _restore(self) -> Callable[[Any, str], Any]:
        return restorer(self.map_location)

    @property
    def storage_context(self) -> Any:
        """The table of storages that TorchScript shares with the pickle, made when first asked for."""
        if self._context is None:
            import torch

            self._context = torch._C.DeserializationStorageContext()
            for key in self._restored:
                self._enter_in_context(key, self._shared.get(key))
        return self._context

    def storage(self, storage_type: Any, key: int | str, location: str | bytes, size: int) -> Any:
        """Load the TypedStorage of a persistent id; `size` counts elements of `storage_type`."""
        dtype, width = self._kinds.get(storage_type) or self._kind_of(storage_type)
        restored = self._restored.get(key)
        if restored is None:
            untyped = self._untyped(key, size * width, dtype)
            self._sizes[key] = untyped.nbytes()
            first = self._typed(wrap_storage=untyped, dtype=dtype, _internal=True)
            place = location.decode("ascii") if isinstance(location, bytes) else location
            restored = self._restored[key] = self._restore(first, place)
            if restored is first:
                return first
        if size * width > self._sizes[key]:
            raise beyond_the_data(self._shared.file, record_of(key), self._sizes[key])
        untyped = getattr(restored, "_untyped_storage", restored)
        return self._typed(wrap_storage=untyped, dtype=dtype, _internal=True)

    def _kind_of(self, storage_type: Any) -> tuple[Any, int]:
        """Give the dtype of a storage class, and the size of its elements."""
        import torch

        self._typed = torch.storage.TypedStorage
        dtype = _dtype_of(storage_type)
        kind = self._kinds[storage_type] = dtype, torch._utils._element_size(dtype)
        return kind

    def reduced(self, *saved: Any) -> Any:
        """Make the object of a ``__reduce_package__``, once for each id; torch 1.x wrote no ids."""
        *identity, function, arguments = saved
        if not identity:
            return function(self._importer, *arguments)
        key = identity[0]
        if key not in self._reduced:
            self._reduced[key] = function(self._importer, *arguments)
        return self._reduced[key]

    def _untyped(self, key: int | str, size: int, dtype: Any) -> Any:
        if self._context is None:
            return self._shared.get_or_read(key, size, dtype)
        name = f"{key}.storage"
        if self._context.has_storage(name):
            return self._context.get_storage(name, dtype)._typed_storage()._untyped_storage
        storage = self._shared.get_or_read(key, size, dtype)
        self._enter_in_context(key, storage)
        return storage

    def _enter_in_context(self, key: int | str, storage: Any) -> None:
        import torch

        if storage is not None:
            self._context.add_storage(f"{key}.storage", torch.empty(0, dtype=torch.uint8).set_(storage))

    def validate(self) -> None:
        """Check what was loaded, at its end.

        Raises ArchiveError where a tensor reaches beyond its data, for which torch makes a storage larger
        by memory that nobody has written, and RuntimeError for a sparse tensor that torch refuses.
        """
        for key, restored in self._restored.items():
            storage = getattr(restored, "_untyped_storage", restored)
            if storage.nbytes() > self._sizes[key]:
                raise beyond_the_data(self._shared.file, record_of(key), self._sizes[key])
        torch_utils = sys.modules.get("torch._utils")
        if torch_utils is not None:
            torch_utils._validate_loaded_sparse_tensors()
