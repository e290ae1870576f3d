"""Calls that are made together: their tensors are joined along the first dimension, and the results divided.

This is right only where a callee treats the rows of its inputs apart from each other. Whether it does shows
when it is called: its first calls together are made one by one, too, and compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from hermpkg_build.core.example_call import Arguments

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)


class ApartError(Exception):
    """Calls cannot be made together, or their result cannot be divided, for the reason that it says."""


class Joined(NamedTuple):
    """The arguments of several calls in one, and how many rows each of them has."""

    arguments: Arguments
    rows: list[int]


def shape_of(arguments: Arguments) -> object:
    """Return what must be equal in calls that can be made together; raises ApartError where there is none."""
    tensors: list[Any] = []
    structure = _structure(arguments, tensors)
    if not tensors:
        raise ApartError("no argument is a tensor")
    if any(tensor.dim() == 0 or tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
        raise ApartError("the tensors of a call differ in their first dimension")
    return structure


def alike(calls: Sequence[Arguments | None]) -> list[list[int]]:
    """Return the places of calls that can be made together, two or more in each list.

    None stands for a call that cannot be read. What is wrong with one shows when it is made alone.
    """
    groups: dict[object, list[int]] = {}
    for place, call in enumerate(calls):
        if call is not None:
            with suppress(Exception):
                groups.setdefault(shape_of(call), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def join(calls: Sequence[Arguments]) -> Joined:
    """Join calls of equal `shape_of`."""
    import torch

    columns: list[list[Any]] = []
    for call in calls:
        tensors: list[Any] = []
        _structure(call, tensors)
        columns.append(tensors)
    rows = [tensors[0].shape[0] for tensors in columns]
    joined = iter([torch.cat(list(column)) for column in zip(*columns, strict=True)])
    return Joined(_replaced(calls[0], lambda _: next(joined)), rows)


def divide(result: Any, rows: Sequence[int]) -> list[Any]:
    """Divide the result of joined calls into one for each. Raises ApartError."""
    import torch

    total = sum(rows)
    if isinstance(result, torch.Tensor):
        if result.dim() == 0 or result.shape[0] != total:
            shape = list(result.shape)
            raise ApartError(
                f"a tensor of shape {shape} in the result does not have a row for each of {total}"
            )
        return list(torch.split(result, list(rows)))
    if isinstance(result, _CONSTANTS):
        return [result] * len(rows)
    if isinstance(result, (list, tuple)) and len(result) == total and all(map(_is_constant, result)):
        ends = [sum(rows[: index + 1]) for index in range(len(rows))]
        return [_sequence(result, result[end - n : end]) for end, n in zip(ends, rows, strict=True)]
    parts = [divide(each, rows) for each in _members(result)]
    return [_with_members(result, [part[index] for part in parts]) for index in range(len(rows))]


def difference(one: Any, other: Any) -> str:
    """Say how two results differ beyond rounding; "" where they do not."""
    import torch

    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return _difference_of_tensors(torch, one, other)
    if type(one) is not type(other):
        return f"a {type(one).__name__} became a {type(other).__name__}"
    if isinstance(one, _CONSTANTS):
        return "" if one == other or (one != one and other != other) else f"{one!r} became {other!r}"
    first, second = _members(one), _members(other)
    if len(first) != len(second):
        return f"{len(first)} values became {len(second)}"
    return next(filter(None, map(difference, first, second)), "")


def _difference_of_tensors(torch: Any, one: Any, other: Any) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"{list(one.shape)} {one.dtype} became {list(other.shape)} {other.dtype}"
    if not (one.is_floating_point() or one.is_complex()):
        return "" if torch.equal(one, other) else "numbers differ"
    if not one.numel() or torch.equal(one, other):
        return ""
    tolerance = torch.finfo(one.dtype).eps ** 0.5
    scale = float(one.abs().nan_to_num(0.0, 0.0, 0.0).max())
    close = torch.isclose(one, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    return "" if bool(close.all()) else f"numbers differ by up to {float((one - other).abs().max()):.3g}"


def _structure(value: Any, tensors: list[Any]) -> object:
    """Return all of arguments but the numbers in their tensors, which are collected."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            raise ApartError("a tensor is not strided")
        tensors.append(value)
        return torch.Tensor, value.dtype, value.device, tuple(value.shape[1:]), value.requires_grad
    if isinstance(value, _CONSTANTS):
        return type(value), repr(value)
    if type(value) in (list, tuple):
        return type(value), tuple(_structure(each, tensors) for each in value)
    if type(value) is dict:
        return dict, tuple((repr(key), _structure(each, tensors)) for key, each in value.items())
    raise ApartError(f"an argument is a {type(value).__name__}")


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return arguments with other tensors, in the order in which `_structure` meets them."""
    import torch

    if isinstance(value, torch.Tensor):
        return replace(value)
    if isinstance(value, (list, tuple)):
        return type(value)([_replaced(each, replace) for each in value])
    if isinstance(value, dict):
        return {key: _replaced(each, replace) for key, each in value.items()}
    return value


def _is_constant(value: object) -> bool:
    return isinstance(value, _CONSTANTS)


def _members(value: Any) -> list[Any]:
    """Return what a result is made of. Raises ApartError for one that is not known to be a container."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    raise ApartError(f"a {type(value).__name__} in the result cannot be divided")


def _with_members(value: Any, members: Sequence[Any]) -> Any:
    """Return a result like `value` of other members."""
    if isinstance(value, Mapping):
        named = dict(zip(value, members, strict=True))
        kind: Any = type(value)
        return kind(**named) if dataclasses.is_dataclass(value) else kind(named)
    if isinstance(value, (list, tuple)):
        return _sequence(value, members)
    names = [field.name for field in dataclasses.fields(value)]
    return type(value)(**dict(zip(names, members, strict=True)))


def _sequence(like: Any, members: Sequence[Any]) -> Any:
    kind = type(like)
    return kind(*members) if hasattr(kind, "_fields") else kind(members)
