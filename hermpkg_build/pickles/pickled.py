"""The results of canonical pickling."""

from __future__ import annotations

from typing import ClassVar

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class GlobalReference:
    """A class or function that a pickle names; `name` is dotted for a nested one."""

    JSON_ARRAY: ClassVar = True

    module: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PickledObject:
    """A canonical pickle and its references.

    `globals` are sorted and unique. `storages` are torch.UntypedStorage objects; the one at
    index k is what the persistent ids ("storage", type, k, location, numel) mean. Each pair of
    `key_offsets` is the offset in `data` of the four little-endian bytes that hold such a k,
    and that k. `runs_code` says that loading it runs more code than that of Python's own reductions.
    """

    data: bytes
    globals: tuple[GlobalReference, ...] = ()
    storages: tuple[object, ...] = ()
    key_offsets: tuple[tuple[int, int], ...] = ()
    runs_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStorage:
    """The bytes of a storage: their digest, and the CRC-32 that a ZIP entry needs."""

    JSON_ARRAY: ClassVar = True

    digest: Digest
    crc32: int
