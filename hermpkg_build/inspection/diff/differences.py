"""The differences between two artifacts, whose JSON forms ``hermpkg diff --json`` prints."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleSide:
    """The value in one of the two pickles, in a few words, and the opcode that makes it."""

    value: str
    opcode: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleDifference:
    """A place in an object graph where two pickles differ; a side without a value there is None.

    `path` reads like Python (``model.layer1[0].note``); `what` says in half a sentence how they differ;
    `hint` says what kind of value both look like, such as a time or an address, "" for nothing in
    particular.
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

    `a` and `b` are type and shape (``float32[64, 3, 7, 7]``). Where these are equal, `count` of `total`
    elements differ, the first at `first` (an index in each dimension), by `largest` at most (None: no finite
    number), but for `unending` of them, which differ by no finite number. `note` says in what else they
    differ.
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
    unending: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDifference:
    """A unified diff without its head; `left_out` counts the lines beyond those in `lines`."""

    type: Literal["text"] = "text"
    lines: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesDifference:
    """A difference of bytes: the offset of the first that differs, and the 16 bytes from there on."""

    type: Literal["bytes"] = "bytes"
    offset: int
    a: bytes
    b: bytes


Detail: TypeAlias = PickleDifference | TensorDifference | TextDifference | BytesDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSizes:
    """The number of bytes of a record in each artifact, None where it lacks the record."""

    a: int | None
    b: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDifference:
    """One record that is not the same in both.

    `left_out` counts the details beyond those in `details`.
    """

    name: str
    kind: str
    change: Literal["added", "removed", "changed"]
    bytes: RecordSizes
    details: tuple[Detail, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """A statement of the artifacts about themselves: an extern module, a version, a module's policy.

    A side that does not have it is "".
    """

    subject: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All differences between the artifacts `a` and `b`; `equal` where every byte is the same.

    `layout` are sentences on how the files differ apart from their records.
    """

    a: str
    b: str
    equal: bool
    records: tuple[RecordDifference, ...] = ()
    facts: tuple[FactDifference, ...] = ()
    layout: tuple[str, ...] = ()
