"""Tries whether a pickle can be loaded: some objects pickle, and cannot be made again of what they gave."""

from __future__ import annotations

import builtins
import functools
import io
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.package_reductions import PackageReductions
from hermpkg_build.pickles.pickled import PickledObject

_LARGEST = 64 << 20
"""Bytes of a pickle, beyond which a trial would take too long."""
_COPIED = 64 << 10
"""Bytes of a storage up to which a trial has a copy of it, and else one of no particular values."""
_MISTAKES = (TypeError, AttributeError, pickle.UnpicklingError)
"""What is raised where arguments or attributes are not those that code asks for, which is so everywhere."""


class _NotTriedError(BaseException):
    """A trial has come to what only an artifact has; no ``except Exception`` keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Loads pickles for a try, without touching their tensors.

    `import_module` gives the modules that pickles name, `source_of` the sources that objects saved. The
    functions of `reductions` get a stand-in for the importer; one that asks it for more than modules is not
    tried. Errors other than mistakes in code tell nothing, for they may come from the place of the trial.
    """

    import_module: Callable[[str], Any]
    source_of: Callable[[str], str | bytes | None]
    reductions: PackageReductions

    def error_of(self, pickled: PickledObject) -> Exception | None:
        """The mistake that keeps `pickled` from being loaded anywhere; None where none was found."""
        if not pickled.runs_code or len(pickled.data) > _LARGEST:
            return None
        error = self._try(pickled, _COPIED)
        # Values of a storage may matter to what is made of it.
        return self._try(pickled, sys.maxsize) if error is not None else None

    def _try(self, pickled: PickledObject, copied: int) -> Exception | None:
        try:
            _Unpickler(pickled.data, self, _Storages(pickled.storages, copied)).load()
        except _MISTAKES as error:
            return error
        except (Exception, _NotTriedError):  # noqa: BLE001 -- the code of any object runs here
            return None
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, trial: Trial, storages: _Storages) -> None:
        super().__init__(io.BytesIO(data))
        self._trial = trial
        self._storages = storages
        self._package = _Package(trial)
        self._reduced: dict[int, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        found = functools.reduce(getattr, name.split("."), self._trial.import_module(module))
        if module != "torch._utils":
            return found
        return functools.partial(_tensor, found) if name in _OF_STORAGES else _STAND_INS.get(name, found)

    def persistent_load(self, pid: Any) -> Any:
        kind, *data = pid
        if kind == "storage":
            return self._storages.typed(*data[:2])
        number, function, arguments = data
        if number not in self._reduced:
            try:
                made = function(self._package, *arguments)
            except _NotTriedError:
                made = self._trial.reductions.object_of(number)
            self._reduced[number] = made
        return self._reduced[number]


def _sparse_tensor(layout: Any, data: Sequence[Any]) -> Any:
    """Make a sparse tensor as torch does, but for noting it, whose values its next load would check."""
    import torch

    if layout == torch.sparse_coo:
        indices, values, size, *more = data
        is_coalesced = more[0] if more else None
        return torch.sparse_coo_tensor(
            indices, values, size, check_invariants=False, is_coalesced=is_coalesced
        )
    compressed, plain, values, size = data
    return torch.sparse_compressed_tensor(
        compressed, plain, values, size, layout=layout, check_invariants=False
    )


def _tensor(
    rebuild: Callable[..., Any], storage: Any, offset: int, size: Any, stride: Any, *more: Any
) -> Any:
    """Make a tensor as torch does, of a storage that has all its elements; torch would enlarge this one."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage._size():
        raise pickle.UnpicklingError(f"a tensor of the size {tuple(size)} reaches beyond its storage")
    return rebuild(storage, offset, size, stride, *more)


_OF_STORAGES = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2"})
_STAND_INS = {"_rebuild_sparse_tensor": _sparse_tensor}


class _Storages:
    """Storages in place of `originals`, of which those up to `copied` bytes have the values."""

    def __init__(self, originals: Sequence[Any], copied: int) -> None:
        self._originals = originals
        self._copied = copied
        self._made: dict[int, Any] = {}

    def typed(self, kind: Any, key: int) -> Any:
        """The storage with the number `key`, as one of the class `kind`."""
        import torch

        if key not in self._made:
            original = self._originals[key]
            made = self._made[key] = torch.UntypedStorage(original.nbytes())
            if original.nbytes() <= self._copied:
                made.copy_(original)
        dtype: Any = torch.uint8
        if kind is not torch.UntypedStorage:
            dtype = torch.storage._get_dtype_from_pickle_storage_type(kind.__name__)
        return torch.storage.TypedStorage(wrap_storage=self._made[key], dtype=dtype, _internal=True)


class _Package:
    """What stands for an importer; it gives modules, and raises for all else."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def import_module(self, name: str) -> Any:
        """Run the source of a module that an object saved, or import one that there is."""
        source = self._trial.source_of(name)
        if source is None:
            return self._imported(name)
        module = types.ModuleType(name)
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._import_statement}
        exec(source, vars(module))  # noqa: S102 -- the code that loading the artifact runs
        return module

    def _import_statement(
        self, name: str, _globals: Any = None, _locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if level:
            raise _NotTriedError
        module = self._imported(name)
        return module if fromlist else self._imported(name.partition(".")[0])

    def _imported(self, name: str) -> Any:
        try:
            return self._trial.import_module(name)
        except ImportError:
            raise _NotTriedError from None

    def __getattr__(self, name: str) -> NoReturn:
        raise _NotTriedError(name)
