"""Files in the form that joblib writes: the bytes of arrays stand between the opcodes of a pickle."""

from __future__ import annotations

import io
import pickle
import sys
import types
from typing import Any

import numpy


class NumpyArrayWrapper:
    """What joblib writes in place of an array; those who load it with joblib have a class of that name."""


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


class _Pickler(pickle._Pickler):  # type: ignore[misc,name-defined]  # the one in Python, which can be extended
    def __init__(self, stream: io.BytesIO, alignment: int | None) -> None:
        super().__init__(stream, 4)
        self._stream, self._alignment = stream, alignment

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, numpy.ndarray):
            super().save(obj, save_persistent_id)
            return
        wrapper: Any = NumpyArrayWrapper()
        wrapper.subclass, wrapper.shape, wrapper.order, wrapper.dtype = type(obj), obj.shape, "C", obj.dtype
        wrapper.numpy_array_alignment_bytes = self._alignment
        super().save(wrapper, save_persistent_id)
        self.framer.commit_frame(force=True)
        if obj.dtype.hasobject:
            pickle.dump(obj, self._stream, 2)
            return
        if self._alignment is not None:
            padding = self._alignment - (self._stream.tell() + 1) % self._alignment
            self._stream.write(bytes([padding]) + b"\xff" * padding)
        self._stream.write(obj.tobytes())


def joblib_file(value: object, alignment: int | None = 16) -> bytes:
    """Return the bytes of a file with `value`; an older joblib aligned nothing."""
    package, module = types.ModuleType("joblib"), types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in ("joblib", "joblib.numpy_pickle")}
    sys.modules.update({"joblib": package, "joblib.numpy_pickle": module})
    stream = io.BytesIO()
    try:
        _Pickler(stream, alignment).dump(value)
    finally:
        for name, found in before.items():
            if found is None:
                del sys.modules[name]
            else:
                sys.modules[name] = found
    return stream.getvalue()
