"""How far the layers of an artifact have travelled, for whoever shows it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.remote.http.blobs import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    """The layers that have to travel, those that have arrived, and the bytes of both."""

    layers: int
    arrived_layers: int
    bytes: int
    arrived_bytes: int


class Progress:
    """Counts what travels, in any number of threads."""

    def __init__(self) -> None:
        self._positions: dict[Digest, int] = {}
        self._lock = threading.Lock()

    def planned(self, layers: Iterable[Digest]) -> None:
        """Know layers that are to travel, from their beginnings on."""
        with self._lock:
            self._positions.update(dict.fromkeys(layers, 0))

    def reached(self, layer: Digest, position: int) -> None:
        """Know how many bytes of a layer have arrived; of layers that were not planned nothing is known."""
        if layer in self._positions:
            self._positions[layer] = min(position, layer.size)

    def travelled(self) -> Travelled:
        """Say how far it is."""
        with self._lock:
            positions = dict(self._positions)
        return Travelled(
            layers=len(positions),
            arrived_layers=sum(position >= layer.size for layer, position in positions.items()),
            bytes=sum(layer.size for layer in positions),
            arrived_bytes=sum(positions.values()),
        )


class CountedBlob:
    """A blob on its way that tells how far it is; see `Incoming`."""

    def __init__(self, blob: Incoming, progress: Progress) -> None:
        self._blob = blob
        self._progress = progress

    @property
    def digest(self) -> Digest:
        """What it should be."""
        return self._blob.digest

    @property
    def received(self) -> int:
        """How many bytes arrived."""
        return self._blob.received

    def take(self, piece: Bytes) -> None:
        """Take the next bytes."""
        self._blob.take(piece)
        self._progress.reached(self._blob.digest, self._blob.received)

    def restart(self) -> None:
        """Drop what came, to take the blob from its beginning."""
        self._blob.restart()
        self._progress.reached(self._blob.digest, 0)

    def keep(self) -> bool:
        """Keep what came if it is the blob; whether it is."""
        return self._blob.keep()
