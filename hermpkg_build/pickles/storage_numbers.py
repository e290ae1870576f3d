"""The numbers of tensor storages that several pickles, and TorchScript, have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hermpkg_build.errors import ActionError
from hermpkg_build.pickles.opcodes import encode_storage_key

if TYPE_CHECKING:
    from hermpkg_build.pickles.torchscript import TorchScript

_MOST_STORAGES = 0x7FFFFFFF
_Copy = TypeVar("_Copy")


class StorageNumbers(Generic[_Copy]):
    """Numbers storages in the order in which they are met; one memory has one number."""

    def __init__(self) -> None:
        self._new: list[tuple[int, _Copy]] = []
        self._keys: dict[int, int] = {}
        self._alive: list[Any] = []
        self._torchscript: TorchScript | None = None

    def keys_of(
        self, storages: Sequence[Any], copy_all: Callable[[Sequence[Any]], Sequence[_Copy]]
    ) -> list[int]:
        """The numbers of torch.UntypedStorage objects.

        `copy_all` is called with those that are new and that no TorchScript has written: what it returns for
        each is that storage as it was when it was first met. Raises what `copy_all` raises; none of the new
        has a number then.
        """
        met = {storage._cdata: storage for storage in storages}
        new = [storage for identity, storage in met.items() if identity not in self._keys]
        to_copy = [storage for storage in new if not self._is_written(storage)]
        # Before they have numbers: where there is no room for them, they can be saved again later.
        copies = dict(zip([storage._cdata for storage in to_copy], copy_all(to_copy), strict=True))
        for storage in new:
            self._enter(storage, copies)
        return [self._keys[storage._cdata] for storage in storages]

    def take_new(self) -> Iterator[tuple[int, _Copy]]:
        """The copies that were made since the last call, each with its number."""
        taken, self._new = self._new, []
        yield from taken

    def share_with(self, torchscript: TorchScript) -> None:
        """From now on number storages together with those of TorchScript."""
        self._torchscript = torchscript
        for storage in self._alive:
            torchscript.enter(storage)

    def _is_written(self, storage: Any) -> bool:
        return self._torchscript is not None and self._torchscript.has(storage)

    def _enter(self, storage: Any, copies: Mapping[int, _Copy]) -> None:
        identity: int = storage._cdata
        key = len(self._keys) if self._torchscript is None else self._torchscript.enter(storage)
        self._keys[identity] = key
        # The number counts only as long as no other storage can come to lie at that address.
        self._alive.append(storage)
        if identity in copies:
            self._new.append((key, copies[identity]))


def renumber_storages(data: bytes, key_offsets: Sequence[tuple[int, int]], keys: Sequence[int]) -> bytes:
    """Return the pickle `data` with ``keys[k]`` in place of each storage key k.

    Each (offset, k) of `key_offsets` is a key and the offset of its four little-endian bytes, the argument
    of a BININT opcode. Raises ActionError where the pickle has no such key there, or a new key needs more
    bytes.
    """
    if not key_offsets:
        return data
    patched = bytearray(data)
    for offset, key in key_offsets:
        if offset < 1 or key >= len(keys) or data[offset - 1 : offset + 4] != encode_storage_key(key):
            raise ActionError(
                "a model object is damaged: its pickle has no storage key where its table says so",
                facts=[("offset", str(offset)), ("key", str(key))],
                next_step="remove the cache (hermpkg clean) and build again",
            )
        if keys[key] > _MOST_STORAGES:
            raise ActionError(f"an artifact holds at most {_MOST_STORAGES + 1} tensor storages")
        patched[offset - 1 : offset + 4] = encode_storage_key(keys[key])
    return bytes(patched)
