"""Compares the outputs of two processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermpkg_build.dataclass import dataclass
from hermpkg_build.generate.example import Leaf

_SHOWN = 5
_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5)}
"""Relative and absolute, as torch.testing has them; complex numbers go by the type of their parts."""
_FINEST = (1e-7, 1e-7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two outputs compare: `parts` of them, of which `tensors` are tensors.

    `difference` is the largest one between two numbers of tensors, 0 where all bits are equal. `problems`
    says where they differ by more than rounding. `unsteady` are the places of the model's pickle that differ
    by process.
    """

    parts: int
    tensors: int
    difference: float = 0.0
    problems: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The result for people."""
        if self.problems:
            return "the outputs differ"
        what = f"{self.tensors} tensor{'s' * (self.tensors != 1)} among {self.parts} parts of the output"
        if not self.difference:
            return f"equal bits in {what}"
        return f"equal but for rounding in {what}: by {self.difference:.3g} at most"


def compare(expected: Sequence[Leaf], found: Sequence[Leaf]) -> Comparison:
    """Compare outputs, as `leaves_of` gives them, part by part."""
    problems: list[str] = []
    largest, tensors = 0.0, 0
    by_path = dict(found)
    for path, value in expected:
        if path not in by_path:
            problems.append(f"{path} is missing")
            continue
        other = by_path.pop(path)
        if not _is_tensor(value) or not _is_tensor(other):
            if not _same(value, other):
                problems.append(f"{path} is {_text(other)}, not {_text(value)}")
            continue
        tensors += 1
        difference, problem = _compare_tensors(value, other)
        largest = max(largest, difference)
        if problem:
            problems.append(f"{path} {problem}")
    problems += [f"{path} is there too" for path in by_path]
    return Comparison(
        parts=len(expected), tensors=tensors, difference=largest, problems=tuple(problems[:_SHOWN])
    )


def _is_tensor(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))


def _text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _compare_tensors(one: Any, other: Any) -> tuple[float, str]:
    """The largest difference of two tensors, and what is wrong with it."""
    import torch

    shape = (tuple(other.shape), str(other.dtype)), (tuple(one.shape), str(one.dtype))
    if shape[0] != shape[1]:
        return 0.0, f"has the shape and type {shape[0]}, not {shape[1]}"
    if torch.equal(one, other):
        return 0.0, ""
    if not (one.is_floating_point() or one.is_complex()):
        return 1.0, f"differs in {int((one != other).sum())} of {one.numel()} numbers"
    kind = str((one.real if one.is_complex() else one).dtype).removeprefix("torch.")
    relative, absolute = _TOLERANCES.get(kind, _FINEST)
    wide = torch.complex128 if one.is_complex() else torch.float64
    left, right = one.to(wide), other.to(wide)
    gap = torch.nan_to_num((left - right).abs(), nan=0.0)
    largest = float(gap.max()) if gap.numel() else 0.0
    if torch.allclose(left, right, rtol=relative, atol=absolute, equal_nan=True):
        return largest, ""
    return largest, f"differs by {largest:.3g}"
