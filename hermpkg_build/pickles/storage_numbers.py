"""The numbers of tensor storages that several pickles, and TorchScript, have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hermpkg_build.errors import ActionError
from hermpkg_build.pickles.opcodes import encode_storage_key

if TYPE_CHECKING:
    from hermpkg_build.pickles.torchscript import TorchScript

_MOST_STORAGES = 0x7FFFFFFF
_Copy = TypeVar("_Copy")


class StorageNumbers(Generic[_Copy]):
    """Numbers storages in the order in which they are met; one memory has one number.

    `copy` is called once with each torch.UntypedStorage that no TorchScript has written: what it returns
    is that storage as it was when it was first met.
    """

    def __init__(self, copy: Callable[[Any], _Copy]) -> None:
        self._copy = copy
        self._new: list[tuple[int, _Copy]] = []
        self._keys: dict[int, int] = {}
        self._alive: list[Any] = []
        self._torchscript: TorchScript | None = None

    def keys_of(self, storages: Sequence[Any]) -> list[int]:
        """The numbers of torch.UntypedStorage objects. Raises what `copy` raises."""
        return [self._key_of(storage) for storage in storages]

    def take_new(self) -> Iterator[tuple[int, _Copy]]:
        """The copies that were made since the last call, each with its number."""
        taken, self._new = self._new, []
        yield from taken

    def share_with(self, torchscript: TorchScript) -> None:
        """From now on number storages together with those of TorchScript."""
        self._torchscript = torchscript
        for storage in self._alive:
            torchscript.enter(storage)

    def _key_of(self, storage: Any) -> int:
        identity: int = storage._cdata
        known = self._keys.get(identity)
        if known is not None:
            return known
        shared = self._torchscript
        is_new = shared is None or not shared.has(storage)
        # Before it has a number: where there is no room for it, it can be saved again later.
        copy = self._copy(storage) if is_new else None
        key = len(self._keys) if shared is None else shared.enter(storage)
        self._keys[identity] = key
        # The number counts only as long as no other storage can come to lie at that address.
        self._alive.append(storage)
        if copy is not None:
            self._new.append((key, copy))
        return key


def renumber_storages(data: bytes, key_offsets: Sequence[tuple[int, int]], keys: Sequence[int]) -> bytes:
    """Return the pickle `data` with ``keys[k]`` in place of each storage key k.

    Each (offset, k) of `key_offsets` is a key and the offset of its four little-endian bytes, the argument
    of a BININT opcode. Raises ActionError where the pickle has no such key there, or a new key needs more
    bytes.
    """
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
