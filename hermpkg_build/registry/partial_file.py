"""Keeps what has arrived of a file whose pull ends early, also by a kill: the next pull goes on with it."""

from __future__ import annotations

import glob
import os
import threading
from contextlib import suppress

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.replacing import ASIDE, aside_path, link_open_file, lock_open
from hermpkg_build.registry.known_layers import partial_folder, remember_partial
from hermpkg_build.store.cache import Cache


class PartialFile:
    """A second name, in the cache, for a file that is being written, as long as it is not whole.

    Where the file is on another file system than the cache there is none, and nothing is kept.
    """

    def __init__(self, target: int, file: Digest, cache: Cache) -> None:
        self._cache = cache
        self._prefix = f"{ASIDE}pull-{file.hash[:16]}-"
        self._path = aside_path(partial_folder(cache), prefix=self._prefix)
        self._has_layers = False
        self._lock = threading.Lock()
        try:
            os.makedirs(partial_folder(cache), exist_ok=True)
            link_open_file(target, self._path)
            # As long as it is open, others that pull the same file leave it.
            lock_open(target, alone=True)
        except OSError:
            self._path = ""

    def arrived(self, digest: Digest, offset: int) -> None:
        """Note that a layer lies in the file from an offset on."""
        if self._path:
            with self._lock:
                self._has_layers = True
                remember_partial(self._path, digest, offset, self._cache)

    def whole(self) -> None:
        """Forget the name, and what earlier pulls of the same file left."""
        self._forget()
        for path in glob.glob(f"{glob.escape(partial_folder(self._cache))}/{self._prefix}*"):
            _remove_unless_open(path)

    def given_up(self) -> None:
        """Leave the file to the next pull, if there is anything in it."""
        if not self._has_layers:
            self._forget()

    def _forget(self) -> None:
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)


def _remove_unless_open(path: str) -> None:
    """Remove a file of a pull, unless the process that began it still has it open."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if lock_open(descriptor, alone=True):
                os.unlink(path)
        finally:
            os.close(descriptor)
