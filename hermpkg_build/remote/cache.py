"""The shared action cache: results on a server, used once all that they name is here and checked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.remote.background import Background
from hermpkg_build.remote.failures import RemoteError, warning
from hermpkg_build.remote.reapi.entries import (
    INLINE_LIMIT,
    SharedAction,
    decode_entry,
    describe,
    encode_entry,
)
from hermpkg_build.remote.transport import EMPTY, Blob, Transport
from hermpkg_build.store.action_cache import ActionResult, decode_result, encode_result
from hermpkg_build.store.failures import log_corrupt

if TYPE_CHECKING:
    from hermpkg_build.store.content import ContentStore

_THREADS = 4
"""Uploads wait for the network most of the time."""

_RESULT_LIMIT = 64 << 20
"""Bytes of the largest result that is read."""


Direction: TypeAlias = Literal["fetch", "upload"]


class Listener(Protocol):
    """Is told of transfers and of failures, from any thread."""

    def transfer_started(self, direction: Direction, subject: str) -> None:
        """A transfer for an action begins."""

    def transfer_ended(self, direction: Direction, subject: str, size: int) -> None:
        """The transfer ended; `size` bytes were of use."""

    def uploads_awaited(self, number: int) -> None:
        """The build is done and has been waiting for so many uploads."""

    def warn_for_this_build(self, text: str) -> None:
        """The server is not used any longer in this build, or only to read."""


@dataclass(slots=True)
class _Transfer:
    """One transfer, counted."""

    size: int = 0


class RemoteCache:
    """Action results and their contents on the server of `transport`, for one build.

    A server that fails is not asked again, which is told once: the build goes on without it. One that only
    refuses uploads is still read. Methods do not raise RemoteError; they raise LocalEnvironmentError where
    `content` cannot be written.
    """

    def __init__(
        self, transport: Transport, content: ContentStore, listener: Listener, *, upload: bool = True
    ) -> None:
        self._transport = transport
        self._content = content
        self._listener = listener
        self._background = Background(_THREADS)
        self._lock = threading.Lock()
        self._asks = True
        self._uploads = upload
        self._damaged: set[Digest] = set()

    @property
    def asks(self) -> bool:
        """Whether the server is still asked."""
        return self._asks

    def get(self, action: SharedAction) -> ActionResult | None:
        """The result of an action, all its outputs in the content store; None where any is missing."""
        if not self._asks:
            return None
        data = None
        with self._exchange("fetch", action.subject) as transfer:
            data = self._transport.get_result(describe(action)[0])
            transfer.size = len(data or b"")
        return None if data is None else self._checked(action, data)

    def fetch(self, digests: Iterable[Digest], subject: str = "") -> bool:
        """Fetch contents into the content store; whether all of them are there now."""
        absent = {digest for digest in digests if self._content.path_of(digest) is None}
        if EMPTY in absent:
            self._content.put_bytes(b"")
            absent.discard(EMPTY)
        if not absent:
            return True
        if not self._asks:
            return False
        here: set[Digest] = set()
        with self._exchange("fetch", subject) as transfer:
            lost = self._transport.download(absent, self._content) & absent
            here = {digest for digest in absent - lost if self._content.path_of(digest) is not None}
            self._note_damaged(absent - here)
            transfer.size = sum(digest.size for digest in here)
        return here == absent

    def put(self, action: SharedAction, result: ActionResult) -> None:
        """Upload a result, after all contents that it names; nothing where one of them is missing here."""
        if not (self._asks and self._uploads):
            return
        paths = {digest: self._content.path_of(digest) for digest in result.outputs.values()}
        outputs = [Blob(digest=digest, path=path) for digest, path in paths.items() if path is not None]
        if len(outputs) < len(paths):
            return
        stored = encode_result(action.key, result)
        name, described = describe(action)
        blobs = {blob.digest: blob for blob in (*outputs, *described, Blob.of(stored))}
        with self._exchange("upload", action.subject) as transfer:
            missing = (self._transport.missing(blobs) | self._damaged) & blobs.keys()
            self._transport.upload([blobs[digest] for digest in sorted(missing)])
            entry = encode_entry(result.outputs, stored, self._small(result.outputs.values()))
            self._transport.put_result(name, entry)
            transfer.size = len(entry) + sum(digest.size for digest in missing)

    def later(self, upload: Callable[[], object]) -> None:
        """Call `upload`, which ends in `put`, in the background."""
        if self._asks and self._uploads:
            self._background.submit(upload)

    def finish(self) -> None:
        """Wait for the uploads in the background."""
        self._background.finish(self._listener.uploads_awaited)

    def close(self) -> None:
        """End at once: drop the uploads that are left, and give up requests under way."""
        self._asks = False
        self._background.end()
        self._transport.close()

    def _checked(self, action: SharedAction, data: bytes) -> ActionResult | None:
        """The result in an entry, if that is whole, ours, and this action's."""
        try:
            entry = decode_entry(data)
            stored = entry.inlined
            if stored is None:
                if entry.result.size > _RESULT_LIMIT or not self.fetch([entry.result], action.subject):
                    return None
                stored = self._content.get_bytes(entry.result) or b""
            result = decode_result(action.key, stored)
            if result.outputs != entry.outputs:
                raise ValueError("it declares other outputs than its result has")
        except ValueError as error:
            log_corrupt("shared action result", f"{action.name} {action.key}: {error}")
            return None
        for digest, data in entry.contents.items():
            if self._content.path_of(digest) is None:
                self._content.put_bytes(data)
        return result if self.fetch(result.outputs.values(), action.subject) else None

    def _small(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """The contents that an entry may hold itself."""
        small = {digest for digest in digests if digest.size <= INLINE_LIMIT}
        found = {digest: self._content.get_bytes(digest) for digest in small}
        return {digest: data for digest, data in found.items() if data is not None}

    def _note_damaged(self, digests: set[Digest]) -> None:
        """Remember contents that the server says it has and does not have whole, to upload them again."""
        for digest in digests:
            log_corrupt("shared content", str(digest))
        with self._lock:
            self._damaged |= digests

    @contextmanager
    def _exchange(self, direction: Direction, subject: str) -> Iterator[_Transfer]:
        """Go on after a failure of the server: stop using it, wholly or for uploads, and tell of it once."""
        transfer = _Transfer()
        self._listener.transfer_started(direction, subject)
        try:
            yield transfer
        except RemoteError as error:
            with self._lock:
                consequence = self._stop(direction, error)
            if consequence:
                self._listener.warn_for_this_build(warning(error, consequence))
        finally:
            self._listener.transfer_ended(direction, subject, transfer.size)

    def _stop(self, direction: Direction, error: RemoteError) -> str:
        """Stop using the server, or only uploading; the consequence in words, "" where it has been told."""
        if direction == "upload" and error.kind != "unavailable":
            told, self._uploads = not (self._asks and self._uploads), False
            return "" if told else "nothing more is uploaded in this build"
        told, self._asks = not self._asks, False
        return "" if told else "the build goes on without the shared cache"
