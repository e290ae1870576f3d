"""The files that each target rests on, by their numbers in a snapshot's table, and how that is kept."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate
from typing import Any, Final

from hermpkg_build.dataclass import dataclass

_NUMBER: Final = "I"
"""Files are numbered by 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """The `labels` of targets, and all their files: those of each from one of `edges` to the next.

    `warnings` are texts with the targets that each is about.
    """

    labels: tuple[str, ...]
    edges: Sequence[int]
    files: array[int]
    warnings: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, files: Mapping[str, Collection[int]], warnings: Mapping[str, Sequence[str]]) -> Rests:
        """Return the files of targets, by label."""
        numbers = array(_NUMBER)
        for own in files.values():
            numbers.extend(sorted(own))
        edges = (0, *accumulate(map(len, files.values())))
        return cls(labels=tuple(files), edges=edges, files=numbers, warnings=warnings)

    def on(self, files: Collection[int]) -> tuple[set[str], set[int]]:
        """Return the targets that rest on any of `files`, and those of these that any target rests on."""
        labels, known = set(), set()
        for at, file in enumerate(self.files.tolist()):
            if file in files:
                known.add(file)
                labels.add(self.labels[bisect_right(self.edges, at) - 1])
        return labels, known

    def of_targets(self, labels: AbstractSet[str]) -> set[int] | None:
        """Return the files that targets rest on; None where it is not known of all."""
        found = set[int]()
        for label, start, stop in zip(self.labels, self.edges, self.edges[1:], strict=False):
            if label in labels:
                found.update(self.files[start:stop])
        return found if labels <= set(self.labels) else None

    def with_changes(
        self,
        new: Mapping[str, Collection[int]],
        warnings: Mapping[str, Sequence[str]],
        *,
        without: Collection[str],
        renumbered: Mapping[int, int] | None,
        shared: AbstractSet[int],
    ) -> Rests:
        """Return what is known with `new` targets, `without` some, and with other `warnings`.

        Where files have been `renumbered`, those that are not in it are gone. `shared` ones are left out: it
        is not known which targets rest on them.
        """
        kept: dict[str, Collection[int]] = {
            label: self.files[start:stop]
            for label, start, stop in zip(self.labels, self.edges, self.edges[1:], strict=False)
            if label not in without
        }
        if renumbered is not None:
            kept = {
                label: [renumbered[file] for file in own if file in renumbered] for label, own in kept.items()
            }
        if renumbered is not None or not shared.isdisjoint(self.files):
            kept = {label: [file for file in own if file not in shared] for label, own in kept.items()}
        return Rests.of({**kept, **new}, warnings)

    def to_bytes(self) -> bytes:
        """Return all of it, for interpreters of the same kind."""
        line = json.dumps({"labels": self.labels, "edges": [*self.edges], "warnings": dict(self.warnings)})
        return b"%b\n%b" % (line.encode(errors="surrogateescape"), self.files.tobytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Rests:
        """Return the inverse of `to_bytes`. Raises ValueError, KeyError and TypeError."""
        line, _, rest = data.partition(b"\n")
        values: dict[str, Any] = json.loads(line.decode(errors="surrogateescape"))
        files = array(_NUMBER)
        files.frombytes(rest)
        labels, edges = tuple(values["labels"]), values["edges"]
        if len(edges) != len(labels) + 1 or edges[-1] != len(files):
            raise ValueError("another number of files than the targets have")
        return cls(labels=labels, edges=edges, files=files, warnings=values["warnings"])
