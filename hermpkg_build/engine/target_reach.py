"""Which targets others depend on, found by numbers: among many targets that is asked for each artifact."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.target import PythonModules
from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The `python_modules` targets that some targets reach, near ones first; those `with_resources` again."""

    targets: tuple[PythonModules, ...]
    labels: tuple[Label, ...]
    with_resources: tuple[PythonModules, ...]


class TargetReach:
    """What the targets of one build reach, for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Label, int] = {}
        self._targets: list[Target] = []
        self._needed: list[list[int] | None] = []
        """The numbers of what each target depends on itself, of those that were met."""
        self._owners: dict[tuple[Label, ...], Owners] = {}

    def owners(self, labels: Sequence[Label], targets: Mapping[Label, Target]) -> Owners:
        """Find the `python_modules` targets among `labels` and all they depend on."""
        key = tuple(labels)
        with self._lock:
            known = self._owners.get(key)
            if known is None:
                reached = self._reached(key, targets)
                owners = tuple([target for target in reached if isinstance(target, PythonModules)])
                known = self._owners[key] = Owners(
                    targets=owners,
                    labels=tuple([target.label for target in owners]),
                    with_resources=tuple([target for target in owners if target.resources]),
                )
            return known

    def _reached(self, labels: Sequence[Label], targets: Mapping[Label, Target]) -> list[Target]:
        queue = [self._number(label, targets) for label in dict.fromkeys(labels)]
        is_known = bytearray(len(targets))
        for number in queue:
            is_known[number] = 1
        for number in queue:
            needed = self._needed[number]
            if needed is None:
                dependencies = self._targets[number].dependencies
                needed = self._needed[number] = [self._number(label, targets) for label in dependencies]
            for other in needed:
                if not is_known[other]:
                    is_known[other] = 1
                    queue.append(other)
        return [self._targets[number] for number in queue]

    def _number(self, label: Label, targets: Mapping[Label, Target]) -> int:
        number = self._numbers.get(label)
        if number is None:
            target = targets[label]
            number = self._numbers[label] = len(self._targets)
            self._targets.append(target)
            self._needed.append(None)
        return number
