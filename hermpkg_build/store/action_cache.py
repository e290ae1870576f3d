"""The action cache: results of actions by the digest of all their inputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.disk.unchanged_files import read_file
from hermpkg_build.store.failures import cache_errors, log_corrupt
from hermpkg_build.store.places import put_in_place
from hermpkg_build.store.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """The result of an action: contents by name, and facts small enough to lie beside their digests."""

    outputs: Mapping[str, Digest]
    facts: Json


class ActionCache:
    """Results in ``<root>/ac/<first two digits>/<hash>``, safe for any number of processes at once.

    An entry that is not the result of its key is a miss, removed and logged; so is what is no file, which the
    next result moves away. Results are also looked
    for in the caches whose roots are `read_only`; nothing is written there.
    """

    def __init__(self, root: str, *, read_only: Sequence[str] = (), usage: Usage | None = None) -> None:
        self.root = root
        self._usage = usage or Usage(root)
        self._roots = (root, *read_only)
        self._told: set[str] = set()

    def get(self, key: Digest) -> ActionResult | None:
        """The result of the action with this digest, None where there is none."""
        for path in self._paths(key):
            try:
                data, _ = read_file(path)
            except FileNotFoundError:
                continue
            except OSError:
                # A folder, a pipe, a link to itself, or what this user must not read.
                self._log_once(path)
                continue
            try:
                result = decode_result(key, data)
            except ValueError:
                log_corrupt("action result", path)
                with suppress(OSError):
                    os.unlink(path)
                continue
            self._usage.note(path)
            return result
        return None

    def put(self, key: Digest, result: ActionResult) -> None:
        """Store a result. Raises LocalEnvironmentError where the cache is full or not writable."""
        data = encode_result(key, result)
        temporary, path = os.path.join(self.root, "tmp"), self._paths(key)[0]
        with cache_errors(self.root):
            os.makedirs(temporary, exist_ok=True)
            put_in_place(path, temporary, lambda: replace_file(path, data, aside=temporary))
        self._usage.note_written(path, len(data))

    def _log_once(self, path: str) -> None:
        if path not in self._told:
            self._told.add(path)
            log_corrupt("action result", path)

    def _paths(self, key: Digest) -> list[str]:
        return [f"{root}/ac/{key.hash[:2]}/{key.hash}" for root in self._roots]


def encode_result(key: Digest, result: ActionResult) -> bytes:
    """The stored form of a result: a line with a checksum over key and result, then its canonical JSON."""
    # The facts are JSON as they are, and many.
    text = dumps({"outputs": to_json(result.outputs), "facts": result.facts})
    return _checksum(key, text) + b"\n" + text + b"\n"


def decode_result(key: Digest, data: bytes) -> ActionResult:
    """The inverse of `encode_result`. Raises ValueError for anything else, also for another key's result."""
    checksum, _, rest = data.partition(b"\n")
    text = rest.removesuffix(b"\n")
    if checksum != _checksum(key, text):
        raise ValueError("the checksum does not match")
    try:
        return from_json(ActionResult, loads(text))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _checksum(key: Digest, text: bytes) -> bytes:
    """Over the key too: an entry that strayed under another name is as wrong as a flipped bit."""
    return hashlib.sha256(f"{key}\n".encode() + text).hexdigest().encode()
