"""Compiled sources, kept in the user's cache by the digest of the source.

An entry is the digest of the marshalled code, then the code; where they do not match, the source is
compiled again. Once a day who adds an entry removes those that were not used for longest, where they are too
many. As with ``__pycache__``, whoever can write to an entry can run code as its user, so a
folder or an entry that others can write to is not used. Nothing here ever fails: without a folder,
sources are compiled. PYTHONDONTWRITEBYTECODE has no effect: it is about files beside the sources.
"""

from __future__ import annotations

import _imp
import hashlib
import importlib.util
import marshal
import os
import sys
from types import CodeType

from hermpkg_build.disk.cache_directory import default_cache_directory, mark_used
from hermpkg_build.disk.trust import check_private_folder, is_private

_FORMAT = "v1"
_DIGEST_SIZE = 32
_MODE = 0o600
_WORTH_KEEPING = 256
"""Bytes of source below which compiling is as fast as reading an entry."""


class CodeCache:
    """Compiled sources for this interpreter: each version and optimisation level has its own folder."""

    def __init__(self) -> None:
        kind = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}-{sys.flags.optimize}"
        self._folder: str | None = os.path.join(default_cache_directory(os.environ), "code", _FORMAT, kind)
        self._is_checked = False
        self._is_pruned = False

    def compile(self, source: bytes, filename: str) -> CodeType:
        """Compile a module's source, or take the code from the cache. Raises SyntaxError."""
        if self._folder is None or len(source) < _WORTH_KEEPING:
            return _compile(source, filename)
        name = hashlib.sha256(source).hexdigest()
        code = self._read(name)
        if code is None:
            code = _compile(source, filename)
            self._write(name, marshal.dumps(code))
            return code
        # Importers share entries, but each has its own file names. importlib does so when a .pyc moves.
        _imp._fix_co_filename(code, filename)  # type: ignore[attr-defined]
        return code

    def _read(self, name: str) -> CodeType | None:
        if self._folder is None or not self._is_usable():
            return None
        try:
            with open(f"{self._folder}/{name}", "rb", buffering=0) as file:
                # The entry as well as its folder: who owns a folder above may exchange this one.
                status = os.fstat(file.fileno())
                entry = file.read(status.st_size) if is_private(status) else b""
                mark_used(file.fileno(), status)
        except OSError:
            return None
        marshalled = memoryview(entry)[_DIGEST_SIZE:]
        if hashlib.sha256(marshalled).digest() != entry[:_DIGEST_SIZE]:
            return None
        code = marshal.loads(marshalled)  # noqa: S302 -- only what this class wrote has its digest before it
        return code if isinstance(code, CodeType) else None

    def _write(self, name: str, marshalled: bytes) -> None:
        folder = self._folder
        if folder is None:
            return
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if self._is_usable():
                # Where the cache has all that is needed, this module is not loaded.
                from hermpkg_build.disk.replacing import replace_file

                entry = hashlib.sha256(marshalled).digest() + marshalled
                replace_file(f"{folder}/{name}", entry, mode=_MODE)
                if not self._is_pruned:
                    self._is_pruned = True
                    from hermpkg_build.runtime.contents.pruning import prune_code

                    prune_code(os.path.dirname(folder))
        except OSError:
            # On a full or read-only disk, do not try again with every module.
            self._folder = None

    def _is_usable(self) -> bool:
        """Tell whether the folder exists and is the user's own; ask the disk until it exists."""
        if not self._is_checked and self._folder is not None:
            try:
                check_private_folder(self._folder)
                self._is_checked = True
            except FileNotFoundError:
                return False
            except OSError:
                self._folder = None
        return self._folder is not None


def _compile(source: bytes, filename: str) -> CodeType:
    code: CodeType = compile(source, filename, "exec", dont_inherit=True)
    return code
