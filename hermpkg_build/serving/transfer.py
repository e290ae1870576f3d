"""Values on their way to another process, as parts of a message, and back.

What a packaged class is called differs by process: pickles name it by the artifact, and who receives one
finds it with the importer of its own, if it has one.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

from hermpkg_build.runtime.mangling import demangle
from hermpkg_build.serving.channel import Part
from hermpkg_build.serving.tensors import placed, tensor_reducer

_LARGEST_WITHIN = 4 << 10
"""Buffers of fewer bytes are in the pickle, not beside it."""
_PROTOCOL = 5

# A packaged class or function is pickled as a call of one of these, and a name.
_NAMES_OF_PACKAGED = {
    ("hermpkg_build.runtime.importer", "reopened_name"),
    ("hermpkg_build.runtime.importing.pickled_names", "unreachable_name"),
}
_OF_TENSORS = "hermpkg_build.serving.tensors"
_PACKAGED_OBJECT = ("hermpkg_build.runtime.importing.torch_saving", "packaged_object")


class PackagedClassError(Exception):
    """A value is of a class or function of the artifact, `name`, that this process has no importer for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def pack(value: object, *, copied: bool = False, to_cpu: bool = False) -> list[Part]:
    """Return `value` as parts; where they are `copied`, what becomes of its tensors does not show in them.

    With `to_cpu`, its tensors are made on the CPU again, wherever they are. Raises what pickle raises for a
    value that cannot be pickled.
    """
    buffers: list[Part] = []

    def take(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if len(raw) < _LARGEST_WITHIN:
            return True
        is_fixed = not copied or type(raw.obj) is bytes
        buffers.append(raw if is_fixed else bytes(raw))
        return False

    stream = io.BytesIO()
    _Pickler(stream, _PROTOCOL, take, to_cpu=to_cpu).dump(value)
    return [stream.getbuffer(), *buffers]


def unpack(parts: Sequence[Part], prefix: str | None, device: str | None = None) -> Any:
    """Make the value again, with nothing in common with the memory of the parts.

    `prefix` is the id of the importer that packaged classes are of here, None where there is none: then these
    raise PackagedClassError. With a `device`, its tensors are made on that, wherever they were.
    """
    stream, *buffers = parts
    copies = [bytearray(buffer) for buffer in buffers]
    return _Unpickler(io.BytesIO(stream), prefix, device, copies).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, protocol: int, take: Any, *, to_cpu: bool) -> None:
        super().__init__(file, protocol, buffer_callback=take)
        self._tensors = tensor_reducer(to_cpu=to_cpu)

    def reducer_override(self, obj: Any) -> Any:
        return NotImplemented if self._tensors is None else self._tensors.reduce(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, prefix: str | None, device: str | None, buffers: Sequence[bytearray]
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._prefix = prefix
        self._device = device

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in _NAMES_OF_PACKAGED:
            return self._own_name
        if (module, name) == _PACKAGED_OBJECT:
            return self._packaged_object
        if self._device is not None and module == _OF_TENSORS and (made := placed(name, self._device)):
            return made
        return super().find_class(module, name)

    def _own_name(self, name: str, *_: object) -> str:
        if self._prefix is None:
            raise PackagedClassError(demangle(name))
        return f"{self._prefix}.{demangle(name)}"

    def _packaged_object(self, module: str, name: str) -> Any:
        if self._prefix is None:
            raise PackagedClassError(f"{demangle(module)}.{name}")
        return super().find_class(self._own_name(module), name)
