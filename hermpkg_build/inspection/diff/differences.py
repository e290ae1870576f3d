"""What a comparison of two artifacts finds, as values with their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hermpkg_build.core.canonical_json import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleSide:
    """What one of the two pickles has: the value in a few words, and the opcode that makes it."""

    value: str
    opcode: str
    offset: int

    def to_json(self) -> Json:
        """All fields by name."""
        return {"value": self.value, "opcode": self.opcode, "offset": self.offset}


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleDifference:
    """A place in an object graph where two pickles differ; a side is None where it has nothing there.

    `path` reads like Python (``model.layer1[0].note``); `what` is half a sentence; `hint` says what the
    values look like (a time, an address) where they look like something.
    """

    path: str
    what: str
    a: PickleSide | None
    b: PickleSide | None
    hint: str = ""

    def to_json(self) -> Json:
        """All fields by name."""
        return {
            "type": "object",
            "path": self.path,
            "what": self.what,
            "a": None if self.a is None else self.a.to_json(),
            "b": None if self.b is None else self.b.to_json(),
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDifference:
    """A tensor that differs. `name` is its key in a state dict, or the path to it.

    `a` and `b` say type and shape (``float32[64, 3, 7, 7]``). Where these are equal, `count` of `total`
    elements differ, the first at `first` (an index in each dimension, or in the storage alone for a
    tensor that is no contiguous part of it), by `largest` at most (None: no finite number). `note` says
    what else differs.
    """

    name: str
    pickle: str
    a: str
    b: str
    count: int | None = None
    total: int | None = None
    first: tuple[int, ...] | None = None
    largest: float | None = None
    note: str = ""

    def to_json(self) -> Json:
        """All fields by name."""
        return {
            "type": "tensor",
            "name": self.name,
            "pickle": self.pickle,
            "a": self.a,
            "b": self.b,
            "count": self.count,
            "total": self.total,
            "first": None if self.first is None else list(self.first),
            "largest": self.largest,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDifference:
    """A unified diff without its head; `left_out` of its lines are not here."""

    lines: tuple[str, ...]
    left_out: int = 0

    def to_json(self) -> Json:
        """All fields by name."""
        return {"type": "text", "lines": list(self.lines), "left_out": self.left_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesDifference:
    """Bytes that are nothing better known: where the first that differs is, and the 16 from there on."""

    offset: int
    a: bytes
    b: bytes

    def to_json(self) -> Json:
        """All fields by name; bytes in hexadecimal."""
        return {"type": "bytes", "offset": self.offset, "a": self.a.hex(), "b": self.b.hex()}


Detail: TypeAlias = PickleDifference | TensorDifference | TextDifference | BytesDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDifference:
    """One record that is not the same in both. A size is None where there is no such record.

    `left_out` counts details beyond those that are here.
    """

    name: str
    kind: str
    change: Literal["added", "removed", "changed"]
    a_bytes: int | None
    b_bytes: int | None
    details: tuple[Detail, ...] = ()
    left_out: int = 0

    def to_json(self) -> Json:
        """All fields by name."""
        return {
            "name": self.name,
            "kind": self.kind,
            "change": self.change,
            "bytes": {"a": self.a_bytes, "b": self.b_bytes},
            "details": [detail.to_json() for detail in self.details],
            "left_out": self.left_out,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDifference:
    """Something that the artifacts say of themselves: an extern module, a version, a module's policy.

    "" stands for nothing on that side.
    """

    subject: str
    a: str
    b: str

    def to_json(self) -> Json:
        """All fields by name."""
        return {"subject": self.subject, "a": self.a, "b": self.b}


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

    def to_json(self) -> Mapping[str, Json]:
        """All fields by name, as ``hermpkg diff --json`` prints them."""
        return {
            "a": self.a,
            "b": self.b,
            "equal": self.equal,
            "records": [record.to_json() for record in self.records],
            "facts": [fact.to_json() for fact in self.facts],
            "layout": list(self.layout),
        }
