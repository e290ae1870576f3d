"""The recipe of a file: how layers, and what lies between records, make it again.

The blob is a line of JSON with the digest of the file and the number of steps; the steps, four numbers each;
and the bytes that are in no layer, such as the headers of a ZIP archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass

MOST_BYTES = 256 << 20
"""Bytes of the largest recipe."""

_FORMAT = 1
_LONGEST_HEAD = 1 << 10
_STEP = Struct("<QIQQ")
_NOTHING = 0xFFFFFFFF


class RecipeError(ValueError):
    """A blob is no recipe, or one that makes no file of these layers."""


class Step(NamedTuple):
    """First `between` bytes that are in no layer, then `size` bytes of the layer with a number."""

    between: int
    layer: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make the file with the digest `file`: the steps, and all bytes that are in no layer."""

    file: Digest
    steps: Sequence[Step]
    between: bytes

    def to_bytes(self) -> bytes:
        """The blob."""
        head = dumps({"file": str(self.file), "format": _FORMAT, "steps": len(self.steps)})
        return b"".join([head, b"\n", *(_STEP.pack(*step) for step in self.steps), self.between])

    @classmethod
    def of_bytes(cls, data: bytes, layers: Sequence[int]) -> Recipe:
        """Read a blob, for layers of these sizes. Raises RecipeError.

        What it makes is never larger than all layers together with what is between.
        """
        head, newline, _ = data[:_LONGEST_HEAD].partition(b"\n")
        try:
            value = loads(head)
            assert newline
            assert isinstance(value, dict)
            file, count = Digest.parse(str(value["file"])), value["steps"]
            assert type(count) is int
        except (ValueError, KeyError, AssertionError):
            raise RecipeError("it does not begin as one") from None
        if value.get("format") != _FORMAT:
            raise RecipeError(f"it is of format {value.get('format')}, not {_FORMAT}: take a newer hermpkg")
        start = len(head) + 1
        end = start + count * _STEP.size
        if not 0 <= count <= len(data) or end > len(data):
            raise RecipeError("it is cut off")
        between = data[end:]
        steps = [Step(*numbers) for numbers in _STEP.iter_unpack(data[start:end])]
        _check(steps, file, layers, len(between))
        return cls(file=file, steps=steps, between=between)

    def pieces(self) -> Iterator[bytes | Step]:
        """What the file is made of, in order: bytes, and steps of which only the layer counts."""
        position = 0
        for step in self.steps:
            if step.between:
                yield self.between[position : position + step.between]
                position += step.between
            if step.size:
                yield step

    def whole_layers(self, layers: Sequence[int]) -> set[int]:
        """The numbers of the layers, of these sizes, of which a step takes all."""
        return {
            step.layer
            for step in self.steps
            if step.size and not step.offset and step.size == layers[step.layer]
        }

    @staticmethod
    def last(between: int) -> Step:
        """The step for what is behind all layers."""
        return Step(between, _NOTHING, 0, 0)


def _check(steps: Sequence[Step], file: Digest, layers: Sequence[int], between: int) -> None:
    for step in steps:
        if step.layer == _NOTHING and not step.size:
            continue
        if step.layer >= len(layers):
            raise RecipeError("it names a layer that there is not")
        if step.offset + step.size > layers[step.layer]:
            raise RecipeError("it takes more of a layer than that has")
    size = sum(step.between + step.size for step in steps)
    if size != file.size or sum(step.between for step in steps) != between:
        raise RecipeError("its steps do not make a file of the size that it tells")
    if size > sum(layers) + between:
        raise RecipeError("it makes a file that is larger than its layers")
