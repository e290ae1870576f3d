"""Whole artifacts in other stores, such as ``s3://``, ``gs://`` and ``hf://``, by way of fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from hermpkg_build.archive.archive_file import ArchiveFile
from hermpkg_build.archive.central_directory import read_central_directory
from hermpkg_build.archive.writer import write_pieces
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.unchanged_files import changed_while_read, hash_file
from hermpkg_build.errors import ArchiveError, CommandLineError, HermpkgError, LocalEnvironmentError
from hermpkg_build.registry.progress import Progress
from hermpkg_build.remote.addresses import without_secrets
from hermpkg_build.remote.failures import FailureKind, RemoteError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://.+")
_PIECE = 8 << 20
_LONGEST_REASON = 500


def is_url(word: str) -> bool:
    """Tell whether a word names a file in another store; references to registries are no such words."""
    return _URL.fullmatch(word) is not None and not word.startswith("oci://")


def push_whole(path: str, url: str, progress: Progress | None = None) -> Digest:
    """Store the archive at `path` as one file; its digest. `progress` is told how far it is.

    Raises ArchiveError where it is no archive, ActionError where it changes meanwhile, CommandLineError for
    a URL of a store that is not known, RemoteError.
    """
    with closing(ArchiveFile(path)) as file:
        try:
            read_central_directory(file.view)
        except ArchiveError as error:
            raise error.in_file(path) from None
    digest, before = hash_file(path)
    with _errors("store the artifact", url):
        store, place = _opened(url)
        # Not by a stream of the store, which also ends where it is left by an error, and is then half a file.
        store.put_file(path, place, callback=_callback(digest, progress or Progress()))
        size = store.info(place)["size"]
        if hash_file(path)[1] != before:
            raise changed_while_read(path)
    if size != digest.size:
        raise _wrong("store the artifact", url, f"{size:,} bytes are there, of {digest.size:,}")
    return digest


def pull_whole(url: str, path: str, sha256: str = "", progress: Progress | None = None) -> Digest:
    """Write a file of another store to `path`, which takes its place when it is whole; its digest.

    `progress` is told how far it is.
    Raises CommandLineError and RemoteError as `push_whole`, also where the file has not this `sha256`, and
    LocalEnvironmentError where it cannot be written.
    """
    with _errors("read the artifact", url):
        store, place = _opened(url)
        size = store.info(place)["size"]
    if type(size) is not int:
        raise _wrong("read the artifact", url, "the store does not say how large it is")
    expected = Digest(sha256, size) if sha256 else None
    pieces = _counted(_pieces(store, place, url, size), Digest(sha256, size), progress or Progress())
    try:
        return write_pieces(path, pieces, expected=expected)
    except ArchiveError as error:
        found = dict(error.facts).get("found", "")
        raise _wrong("read the artifact", url, f"its SHA-256 and size are {found}, not {expected}") from None


def _pieces(store: Any, place: str, url: str, size: int) -> Iterator[bytes]:
    """The bytes of a file. Raises RemoteError where there are fewer or more than the store said."""
    received = 0
    with _errors("read the artifact", url), store.open(place, "rb", block_size=_PIECE) as stream:
        while received <= size and (piece := stream.read(_PIECE)):
            received += len(piece)
            if received <= size:
                yield piece
    if received != size:
        raise _wrong("read the artifact", url, f"{received:,} bytes came, of {size:,}")


def _counted(pieces: Iterator[bytes], file: Digest, progress: Progress) -> Iterator[bytes]:
    progress.planned([file])
    position = 0
    for piece in pieces:
        yield piece
        position += len(piece)
        progress.reached(file, position)


def _callback(file: Digest, progress: Progress) -> Any:
    """Return what libraries of stores tell how many bytes they have sent."""
    from fsspec.callbacks import Callback

    progress.planned([file])
    return Callback(hooks={"progress": lambda size, value, **_: progress.reached(file, value)})  # noqa: ARG005


def _opened(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise LocalEnvironmentError(
            "the extra `fsspec` is not installed",
            facts=[("missing", error.name or "")],
            next_step="pip install 'hermpkg-build[fsspec]', and the library of the store, such as s3fs",
        ) from error
    if "::" in url:
        raise CommandLineError(f"{url!r} names one store inside another", next_step="name one store alone")
    try:
        store, place = url_to_fs(url)
    except ImportError as error:
        raise LocalEnvironmentError(
            f"the library for {url.partition(':')[0]}:// is not installed",
            facts=[("reason", str(error))],
            next_step="install it beside hermpkg, such as s3fs for s3://, gcsfs for gs://",
        ) from error
    except ValueError as error:
        raise CommandLineError(
            f"{without_secrets(url)!r} names no store that is known", facts=[("reason", str(error))]
        ) from None
    return store, str(place)


@contextmanager
def _errors(doing: str, url: str) -> Iterator[None]:
    """Raise RemoteError for whatever a store's library raises."""
    try:
        yield
    except (HermpkgError, GeneratorExit):
        raise
    except Exception as error:  # libraries of stores raise errors of their own kinds
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        denied = isinstance(error, PermissionError) or "Credentials" in type(error).__name__
        raise _wrong(
            doing,
            url,
            f"{type(error).__name__}: {reason}" if reason else type(error).__name__,
            kind="denied" if denied else "unavailable",
        ) from error


def _wrong(doing: str, url: str, reason: str, *, kind: FailureKind = "protocol") -> RemoteError:
    return RemoteError(
        kind,
        f"cannot {doing}",
        server=without_secrets(url),
        reason=reason,
        next_step="check the URL, and who you are there, by the store's own tools",
    )
