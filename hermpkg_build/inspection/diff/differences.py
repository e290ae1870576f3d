"""What a comparison of two artifacts finds: the values whose JSON forms ``hermpkg diff --json`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleSide:
    """What one of the two pickles has: the value in a few words, and the opcode that makes it."""

    value: str
    opcode: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleDifference:
    """A place in an object graph where two pickles differ; a side is None where it has nothing there.

    `path` reads like Python (``model.layer1[0].note``); `what` is half a sentence; `hint` says what the
    values look like (a time, an address) where they look like something.
    """

    type: Literal["object"] = "object"
    path: str
    what: str
    a: PickleSide | None
    b: PickleSide | None
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDifference:
    """A tensor that differs. `name` is its key in a state dict, or the path to it.

    `a` and `b` say type and shape (``float32[64, 3, 7, 7]``). Where these are equal, `count` of `total`
    elements differ, the first at `first` (an index in each dimension, or in the storage alone for a
    tensor that is no contiguous part of it), by `largest` at most (None: no finite number). `note` says
    what else differs.
    """

    type: Literal["tensor"] = "tensor"
    name: str
    pickle: str
    a: str
    b: str
    count: int | None = None
    total: int | None = None
    first: tuple[int, ...] | None = None
    largest: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDifference:
    """A unified diff without its head; `left_out` of its lines are not here."""

    type: Literal["text"] = "text"
    lines: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesDifference:
    """Bytes that are nothing better known: where the first that differs is, and the 16 from there on."""

    type: Literal["bytes"] = "bytes"
    offset: int
    a: bytes
    b: bytes


Detail: TypeAlias = PickleDifference | TensorDifference | TextDifference | BytesDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSizes:
    """How many bytes a record has in each of the artifacts; None where there is no such record."""

    a: int | None
    b: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDifference:
    """One record that is not the same in both.

    `left_out` counts details beyond those that are here.
    """

    name: str
    kind: str
    change: Literal["added", "removed", "changed"]
    bytes: RecordSizes
    details: tuple[Detail, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """Something that the artifacts say of themselves: an extern module, a version, a module's policy.

    "" stands for nothing on that side.
    """

    subject: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that differs between the artifacts `a` and `b`; `equal` where every byte is the same.

    `layout` says, in sentences, how files differ whose records are the same.
    """

    a: str
    b: str
    equal: bool
    records: tuple[RecordDifference, ...] = ()
    facts: tuple[FactDifference, ...] = ()
    layout: tuple[str, ...] = ()
