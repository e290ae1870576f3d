"""What each target of a build rests on, so that after an edit only what rests on the edited file is built."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hermpkg_build.core.label import Label
from hermpkg_build.core.relayed import Relayed, relayed


class Resting(Relayed):
    """The files that decide what becomes of targets, and no others; for any thread.

    What was read of a file otherwise concerns all targets (`SourceTree.shared_files`).
    """

    def __init__(self) -> None:
        self._files: dict[Label, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    @relayed
    def note(self, label: Label, paths: Sequence[str]) -> None:
        """Note files, by absolute paths, that the target `label` rests on."""
        with self._lock:
            self._files[label] = (*self._files.get(label, ()), *paths)

    def files(self) -> Mapping[Label, frozenset[str]]:
        """Return the files by target."""
        with self._lock:
            return {label: frozenset(paths) for label, paths in self._files.items()}


class Working:
    """Which target each thread works on."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextmanager
    def on(self, label: str) -> Iterator[None]:
        """Return a context in which this thread works on the target `label`."""
        before = self.label()
        self._local.label = label
        try:
            yield
        finally:
            self._local.label = before

    def label(self) -> str:
        """Return the target that this thread works on, "" for none."""
        label: str = getattr(self._local, "label", "")
        return label
