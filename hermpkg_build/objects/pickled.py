"""What canonical pickling gives, and the error when an object cannot be pickled."""

from __future__ import annotations

import pickle
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class GlobalReference:
    """A class or function that a pickle names; `name` is dotted for a nested one."""

    module: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PickledObject:
    """A canonical pickle and what it refers to.

    `globals` are sorted and unique. `storages` are torch.UntypedStorage objects; the one at
    index k is what the persistent ids ("storage", type, k, location, numel) mean. Each pair of
    `key_offsets` is the offset in `data` of the four little-endian bytes that hold such a k,
    and that k.
    """

    data: bytes
    globals: tuple[GlobalReference, ...] = ()
    storages: tuple[object, ...] = ()
    key_offsets: tuple[tuple[int, int], ...] = ()


class UnpicklableError(pickle.PicklingError):
    """An object cannot be pickled: `path` leads to it from the root, `reason` says why not."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot pickle {path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnpicklableError], tuple[str, str]]:
        return UnpicklableError, (self.path, self.reason)
