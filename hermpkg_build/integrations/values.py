"""Plain data as the arguments of a model, and its results as plain data.

Plain are arrays of numpy, frames and series of pandas, numbers, texts, and lists and dicts of these, such as
JSON gives. What cannot be converted without a guess is refused, with the place in the data.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError
from hermpkg_build.integrations.packed_model import PackedModel

Floats: TypeAlias = Literal["model", "given"]
"""``model``: numbers with a fraction get the type of the model's; ``given``: they keep theirs."""

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)
_DEEPEST = 40


class ValueNotConvertedError(HermpkgError, ValueError):
    """Data cannot be arguments of a model, or its result is no plain data."""


class CallArguments(NamedTuple):
    """The positional and the named arguments of a call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def plain_call(
    model: PackedModel, data: Any, named: Mapping[str, Any] | None = None, *, floats: Floats
) -> Any:
    """Call `model` with plain data and give its result as plain data.

    A dict of `data` are arguments by name, everything else is one argument; `named` are further ones. A frame
    whose columns are all numbers is one array with a column for each; of another one the columns are
    arguments by name. Arrays, and lists of numbers, become tensors where the artifact uses torch, on the
    device of the model's parameters, else arrays.

    Raises ValueNotConvertedError, and what the model raises.
    """
    call = arguments_of_data(model, data, named, floats=floats)
    return plain_result(model(*call.args, **call.kwargs))


def arguments_of_data(
    model: PackedModel, data: Any, named: Mapping[str, Any] | None = None, *, floats: Floats
) -> CallArguments:
    """Make the arguments that `plain_call` calls with."""
    reader = _Reader(model, floats)
    data = reader.opened(data)
    if isinstance(data, Mapping):
        call = CallArguments((), {name: reader.value(value, name) for name, value in reader.named(data)})
    else:
        call = CallArguments((reader.value(data, "the input"),), {})
    for name, value in (named or {}).items():
        if name in call.kwargs:
            raise ValueNotConvertedError(f"the argument {name} is given twice")
        call.kwargs[name] = reader.value(value, name)
    _check_names(model, call)
    return call


def plain_result(result: Any) -> Any:
    """Give a result as plain data: tensors become arrays, objects with named values dicts, tuples lists.

    Types of numbers that numpy has not become ones that hold all of their values.

    >>> import torch
    >>> plain_result({"scores": torch.ones(2, dtype=torch.bfloat16), "label": ("cat", 1)})
    {'scores': array([1., 1.], dtype=float32), 'label': ['cat', 1]}
    """
    return _plain(result, "the result", _DEEPEST)


def plain_example(model: PackedModel) -> Any:
    """Give the recorded arguments of a call as data for `plain_call`; None where there are none.

    Several arguments become a dict by their names. Raises ValueNotConvertedError for what is no plain data.
    """
    if not model.has_example():
        return None
    from hermpkg_build.core.example_call import arguments_of

    args, kwargs = arguments_of(model.example())
    if len(args) == 1 and not kwargs and not isinstance(args[0], Mapping):
        return plain_result(args[0])
    signature = model.signature()
    names = [*signature.parameters][: len(args)] if signature is not None else []
    if len(names) < len(args):
        raise ValueNotConvertedError(f"the arguments of the recorded example of {model} have no names")
    return plain_result({**dict(zip(names, args, strict=True)), **kwargs})


# ---- arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """Where a model's tensors go, and the type of its numbers with a fraction; None where it has several."""

    device: Any
    floating: Any


class _Reader:
    """Makes values for one model."""

    def __init__(self, model: PackedModel, floats: Floats) -> None:
        self._torch = _torch() if model.uses_torch else None
        self._numbers = _numbers_of(model.loaded) if self._torch is not None else None
        self._floats = floats

    def opened(self, data: Any) -> Any:
        """Take a frame apart: into an array where all of it are numbers, else into columns by name."""
        kind = _pandas_kind(data)
        if kind == "Series":
            return self._column(data, "the input")
        if kind != "DataFrame":
            return data
        if not data.columns.is_unique:
            raise ValueNotConvertedError("two columns of the frame have the same name")
        if len(data.columns) and all(dtype.kind in "biuf" for dtype in data.dtypes):
            for name in data.columns:
                _check_missing(data[name], str(name))
            return data.to_numpy(
                dtype="bool" if all(each.kind == "b" for each in data.dtypes) else _common(data)
            )
        return {str(name): self._column(data[name], str(name)) for name in data.columns}

    def named(self, data: Mapping[Any, Any]) -> Iterable[tuple[str, Any]]:
        """Give the items of a dict that are arguments by name."""
        for name in data:
            if not isinstance(name, str):
                raise ValueNotConvertedError(
                    f"{name!r} is not the name of an argument",
                    next_step="give a dict of arguments by their names, or one value that is no dict",
                )
        return data.items()

    def value(self, value: Any, place: str, depth: int = _DEEPEST) -> Any:
        """Make one argument, or a part of one."""
        if depth == 0:
            raise ValueNotConvertedError(f"{place.partition('[')[0]} is nested too deeply")
        if isinstance(value, _CONSTANTS) or _is_tensor(value):
            return value
        if _is_numpy(value):
            return self._array(value, place)
        if _pandas_kind(value):
            return self.value(self.opened(value), place, depth - 1)
        if isinstance(value, Mapping):
            return {key: self.value(each, f"{place}[{key!r}]", depth - 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return self._list(value, place, depth)
        if hasattr(value, "toarray"):
            raise _refused(place, f"a sparse {type(value).__name__}", "give what its toarray() returns")
        raise _refused(place, f"a {type(value).__qualname__}")

    def _list(self, value: list[Any] | tuple[Any, ...], place: str, depth: int) -> Any:
        """Make a list: of numbers, nested or not, it is an array, of anything else a list."""
        innermost: Any = value
        for _ in range(depth):
            if isinstance(innermost, (list, tuple)) and innermost:
                innermost = innermost[0]
        if _is_number(innermost) or (isinstance(innermost, (list, tuple)) and not innermost):
            import numpy

            try:
                array = numpy.array(value)
            except (ValueError, OverflowError):
                raise _refused(place, "a list whose rows have different lengths") from None
            if array.dtype.kind in "biufc":
                return self._array(array, place)
        if any(_is_number(each) for each in (innermost, *value)):
            raise _refused(place, "a list of numbers and of something else")
        parts = [self.value(each, f"{place}[{index}]", depth - 1) for index, each in enumerate(value)]
        if parts and all(_is_numpy(each) and each.ndim for each in value):
            return self._stacked(parts, place)
        return parts

    def _stacked(self, parts: list[Any], place: str) -> Any:
        shapes = {tuple(each.shape) for each in parts if hasattr(each, "shape")}
        if len(shapes) != 1 or any(isinstance(each, list) for each in parts):
            raise _refused(place, "a list of arrays of different shapes")
        if self._torch is not None:
            return self._torch.stack(parts)
        import numpy

        return numpy.stack(parts)

    def _array(self, array: Any, place: str) -> Any:
        kind = array.dtype.kind
        if kind == "O":
            return self.value(array.tolist(), place)
        if kind in "US":
            return array.tolist()
        if kind not in "biufc":
            raise _refused(place, f"an array of {array.dtype}")
        if self._torch is None or self._numbers is None:
            return array
        import numpy

        # A tensor shares the memory of its array, which may be read-only, or of another byte order.
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        try:
            tensor = self._torch.from_numpy(numpy.array(native, order="C", copy=True))
        except TypeError:
            raise _refused(place, f"an array of {array.dtype}, which torch does not have") from None
        floating = self._numbers.floating if self._floats == "model" and tensor.is_floating_point() else None
        return tensor.to(device=self._numbers.device, dtype=floating)

    def _column(self, series: Any, place: str) -> Any:
        """Make what stands for one column: an array of its numbers, or the list of its cells."""
        if series.dtype.kind in "biuf":
            _check_missing(series, place)
            return series.to_numpy(dtype=getattr(series.dtype, "numpy_dtype", None))
        return series.tolist()


def _numbers_of(loaded: Any) -> _Numbers:
    """See where the parameters and buffers of a module lie, and which one type those with a fraction have."""
    floating, devices = set(), set()
    for name in ("parameters", "buffers"):
        of_module = getattr(loaded, name, None)
        for tensor in of_module() if callable(of_module) and hasattr(loaded, "state_dict") else ():
            devices.add(tensor.device)
            if name == "parameters" and tensor.is_floating_point():
                floating.add(tensor.dtype)
    return _Numbers(
        device=next(iter(devices)) if len(devices) == 1 else None,
        floating=next(iter(floating)) if len(floating) == 1 else None,
    )


def _check_names(model: PackedModel, call: CallArguments) -> None:
    """Refuse arguments that the model does not take, before it runs."""
    signature = model.signature()
    if signature is None:
        return
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError as error:
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names = [name for name, each in signature.parameters.items() if each.kind not in kinds]
        raise ValueNotConvertedError(
            f"{model} cannot be called so: {error}",
            facts=[("it takes", ", ".join(names) or "no arguments"), ("given", _given(call))],
            next_step="give a dict of its arguments by name",
        ) from None


def _given(call: CallArguments) -> str:
    return listed([*call.kwargs], 10) if call.kwargs else "one value, without a name"


def _check_missing(series: Any, place: str) -> None:
    """Refuse values that are missing in a column of a type that numpy has none for: NaN is a number."""
    if hasattr(series.dtype, "numpy_dtype") and series.isna().any():
        raise _refused(place, "a column with values that are missing")


def _common(frame: Any) -> Any:
    """Return the one type of numpy that holds the columns of a frame of numbers."""
    import numpy

    return numpy.result_type(*(getattr(dtype, "numpy_dtype", dtype) for dtype in frame.dtypes))


def _refused(place: str, what: str, next_step: str = "") -> ValueNotConvertedError:
    return ValueNotConvertedError(f"{place} cannot be an argument: it is {what}", next_step=next_step)


# ---- results


def _plain(value: Any, place: str, depth: int) -> Any:
    if depth == 0:
        raise ValueNotConvertedError(f"{place.partition('[')[0]} is nested too deeply")
    if isinstance(value, _CONSTANTS) or _is_numpy(value) or _pandas_kind(value):
        return value
    if _is_tensor(value):
        return _array_of_tensor(value, place)
    if isinstance(value, Mapping):
        return {_key(key, place): _plain(each, f"{place}[{key!r}]", depth - 1) for key, each in value.items()}
    names = getattr(type(value), "_fields", None)
    if names is not None and isinstance(value, tuple):
        named = zip(names, value, strict=True)
        return {name: _plain(each, f"{place}.{name}", depth - 1) for name, each in named}
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{place}[{index}]", depth - 1) for index, each in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(each, f"{place}.{name}", depth - 1) for name, each in fields.items()}
    raise ValueNotConvertedError(
        f"{place} is a {type(value).__qualname__}, which is no plain data",
        next_step="call a method that returns tensors, numbers, texts, lists or dicts: method=...",
    )


def _key(key: Any, place: str) -> Any:
    if isinstance(key, (str, int)):
        return key
    raise ValueNotConvertedError(f"{place} has the key {key!r}, which is neither a text nor a whole number")


def _array_of_tensor(tensor: Any, place: str) -> Any:
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        tensor = tensor.resolve_conj().resolve_neg()
        if tensor.is_floating_point() and tensor.dtype.itemsize <= 2 and str(tensor.dtype) != "torch.float16":
            tensor = tensor.float()
        return tensor.numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ValueNotConvertedError(
            f"{place} cannot be an array of numpy",
            facts=[
                ("tensor", f"{tensor.dtype}, {tensor.layout}, on {tensor.device}"),
                ("reason", str(error)),
            ],
        ) from error


# ---- libraries that are only there if the data are theirs


def _torch() -> Any:
    import torch

    return torch


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) or _is_of(value, "numpy", "number")


def _is_tensor(value: Any) -> bool:
    return _is_of(value, "torch", "Tensor")


def _is_numpy(value: Any) -> bool:
    return _is_of(value, "numpy", "ndarray") or _is_of(value, "numpy", "generic")


def _pandas_kind(value: Any) -> str:
    return next((name for name in ("DataFrame", "Series") if _is_of(value, "pandas", name)), "")


def _is_of(value: Any, library: str, name: str) -> bool:
    """Whether a value is of a class of a library, which is loaded if it is."""
    import sys

    cls = getattr(sys.modules.get(library), name, None)
    return isinstance(cls, type) and isinstance(value, cls)
