"""The SHA-256 of a few bytes. `hashlib` loads OpenSSL, which takes longer than all that start-up hashes."""

from __future__ import annotations

import importlib
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def short_hash(data: bytes) -> str:
    """Return the SHA-256 of a few bytes, in hexadecimal."""
    return str(_library().sha256(data).hexdigest())


def _library() -> Any:
    """Import the module of Python that has SHA-256 itself, by its name in this version; else `hashlib`."""
    with suppress(ImportError):
        return importlib.import_module("_sha2")
    with suppress(ImportError):
        return importlib.import_module("_sha256")
    return importlib.import_module("hashlib")
